"""Begins trainings on files or jobs; under an ``Idempotency-Key`` one training, whoever asks how often."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from services.gateway.accepting import order_of
from services.gateway.errors import HttpError
from services.gateway.files import Files
from services.gateway.jobrows import rows_of
from services.gateway.naming import IdempotencyName
from services.gateway.training_schemas import TrainingCreate
from shared.clients.trainer import TrainerClient, TrainingRequest
from shared.domain.training import TrainingStanding
from shared.errors import FieldError, InputError, NotFoundError
from shared.jobs.desk import JobDesk
from shared.jobs.ids import new_id
from shared.jsonl import check_characters
from shared.store import Store

TRAINING = "train"
_FILE_FIELDS = ("data", "data_digest")


@dataclass(frozen=True, slots=True)
class Beginning:
    """Who begins trainings of one tenant, and where its files and jobs are."""

    desk: JobDesk
    tenant: str
    trainer: TrainerClient

    @property
    def store(self) -> Store:
        """Where everything is."""
        return self.desk.store

    def begin(self, asked: TrainingCreate, key: str | None) -> TrainingStanding:
        """The training, begun; under a `key` the one that was begun before, as it stands.

        NotFoundError where there is no such file or job, HttpError 409 for a job without rows, FieldError
        for what can't be trained, DriftError where the key was used for another training.
        """
        wish = asked.model_dump(mode="json")
        check_characters(wish)
        if key is None:
            return self._begun(asked, new_id(TRAINING))
        name = IdempotencyName(self.store, self.tenant, key, TRAINING)
        training, was_there = name.given_to(wish)
        if was_there:
            try:
                return self.trainer.get(training)
            except NotFoundError:
                # Whoever named it was lost before the trainer knew of it.
                pass
        try:
            return self._begun(asked, training)
        except (InputError, HttpError):
            name.forget()
            raise

    def _begun(self, asked: TrainingCreate, training: str) -> TrainingStanding:
        try:
            return self.trainer.start(self._request(asked, training))
        except FieldError as error:
            named = "input_file_id" if asked.input_job_id is None else "input_job_id"
            field = named if error.field in _FILE_FIELDS else error.field
            raise FieldError(field, error.problem, error.cure) from None

    def _request(self, asked: TrainingCreate, training: str) -> TrainingRequest:
        found = hashlib.sha256()
        path = self._data(asked)
        for piece in self.store.stream(f"t/{self.tenant}/{path}"):
            found.update(piece)
        return TrainingRequest(
            name=asked.name,
            base=asked.base_model,
            data=path,
            data_digest=found.hexdigest(),
            settings=asked.settings.settings(),
            arm=asked.arm,
            instruction=asked.instruction,
            system=asked.system,
            id=training,
        )

    def _data(self, asked: TrainingCreate) -> str:
        """Where the rows are in the tenant's name space."""
        if (asked.input_file_id is None) == (asked.input_job_id is None):
            problem = "is missing" if asked.input_job_id is None else "is given beside input_job_id"
            raise FieldError("input_file_id", problem, "give one of input_file_id and input_job_id")
        if asked.input_file_id is not None:
            if asked.most_cost is not None:
                raise FieldError("most_cost", "is for jobs; rows of a file have no cost", "leave it out")
            return Files(self.store, self.tenant).path(asked.input_file_id)
        order = order_of(self.desk, self.tenant, asked.input_job_id or "")
        return rows_of(self.desk, order, asked.most_cost).removeprefix(f"t/{self.tenant}/")
