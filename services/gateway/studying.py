"""Takes studies in: checked as `idiolect study` checks them, their files copied, then accepted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.files import Files
from services.gateway.naming import IdempotencyName
from shared.errors import FieldError, InputError, NotFoundError
from shared.jobs.ids import new_id
from shared.jsonl import check_characters
from shared.store import Store
from shared.study.config import to_config
from shared.study.records import KIND, StudyOrdered, StudyRecords, StudyStanding
from shared.study.remote import check_models, check_remote


@dataclass(frozen=True, slots=True)
class StudyIntake:
    """Who takes in the studies of one tenant."""

    store: Store
    tenant: str

    def begin(self, config: Mapping[str, Any], key: str | None) -> StudyStanding:
        """The study, accepted; under a `key` the one that was accepted before, as it stands.

        FieldError names the entry that can't be used, NotFoundError a file that isn't there, DriftError what
        differs where the key was used for another study.
        """
        records = StudyRecords(self.store)
        files = self._checked(config, records)
        if key is None:
            return records.standing(self._accepted(records, new_id(KIND), config, files))
        name = IdempotencyName(self.store, self.tenant, key, KIND)
        study, was_there = name.given_to({"config": config})
        if was_there:
            try:
                return records.standing(records.get(self.tenant, study))
            except NotFoundError:
                # Whoever named it was lost before it was accepted.
                pass
        try:
            return records.standing(self._accepted(records, study, config, files))
        except InputError:
            name.forget()
            raise

    def _checked(self, config: Mapping[str, Any], records: StudyRecords) -> tuple[str, ...]:
        """The ids of the files that it names."""
        try:
            check_characters(config)
            _check_numbers(config)
            read = to_config(config)
            files = check_remote(read)
            host = records.host()
            if host is not None and host.is_there:
                check_models(read, host.models, ", ".join(host.models))
        except FieldError as error:
            raise FieldError(f"config.{error.field}", error.problem, error.cure) from None
        return files

    def _accepted(
        self, records: StudyRecords, study: str, config: Mapping[str, Any], files: tuple[str, ...]
    ) -> StudyOrdered:
        ordered = StudyOrdered(study, self.tenant, config, files, time.time())
        for name in files:
            self.store.put_if_absent(ordered.input(name), Files(self.store, self.tenant).content(name))
        records.accept(ordered)
        return records.get(self.tenant, study)


def _check_numbers(config: Mapping[str, Any]) -> None:
    try:
        json.dumps(config, allow_nan=False)
    except ValueError:
        raise FieldError("numbers", "hold NaN or infinity", "give numbers that JSON has") from None
