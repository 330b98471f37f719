"""The shelf of profiles: each is fitted once and kept in a folder of its name and digest."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from services.student.profile import FittedStudent, Kind, fit_student, load_student
from shared.domain import ScorerInfo
from shared.errors import FieldError, NotFoundError
from shared.ports import Scorer

# Fitted students in memory; each holds some ten megabytes.
IN_MEMORY = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(rf"{_NAME.pattern}@[0-9a-f]{{16}}")


class ProfileShelf:
    """Profiles in a folder; safe to use from several threads, which may fit side by side."""

    def __init__(self, folder: Path, served: Callable[[ScorerInfo], Scorer]) -> None:
        """`served` gives the scorer of a profile that the served model scores for."""
        self._folder = folder
        self._served = served
        self._lock = Lock()
        self._at_hand: OrderedDict[str, FittedStudent] = OrderedDict()

    def build(
        self, name: str, samples: tuple[tuple[str, str], ...], alpha: float, info: ScorerInfo | None
    ) -> FittedStudent:
        """Fit a student and keep it; with `info`, that served model scores, else a fitted proxy."""
        if not _NAME.fullmatch(name):
            cure = "use up to 64 letters, digits, points, dashes and underscores, a letter or digit first"
            raise FieldError("settings.name", f"is {name[:80]!r}", cure)
        kind: Kind = "proxy" if info is None else "served"
        served = None if info is None else self._served(info)
        fitted = fit_student(name, samples, kind=kind, alpha=alpha, served=served)
        self._keep(fitted)
        self._remember(fitted)
        return fitted

    def get(self, profile_id: str) -> FittedStudent:
        """The student of that profile. NotFoundError where none was built here."""
        with self._lock:
            found = self._at_hand.get(profile_id)
            if found is not None:
                self._at_hand.move_to_end(profile_id)
                return found
        if not _ID.fullmatch(profile_id) or not (self._folder / profile_id).is_dir():
            raise NotFoundError(f"profile_id: there is no profile {profile_id[:80]!r}; build it first")
        fitted = load_student(self._folder / profile_id, self._served)
        self._remember(fitted)
        return fitted

    def _keep(self, fitted: FittedStudent) -> None:
        """Publish the folder at once; who comes second keeps the first one's, which is equal."""
        target = self._folder / fitted.profile.id
        if target.is_dir():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            fitted.save(aside)
            aside.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _remember(self, fitted: FittedStudent) -> None:
        with self._lock:
            self._at_hand[fitted.profile.id] = fitted
            self._at_hand.move_to_end(fitted.profile.id)
            while len(self._at_hand) > IN_MEMORY:
                self._at_hand.popitem(last=False)
