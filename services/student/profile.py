"""A fitted student: profile, scorer and gate, built from its own samples, kept in a folder."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from services.student.contrast import Contrast
from services.student.engines.proxy import ProxyScorer
from services.student.gate import ConformalGate, Units
from services.student.pieces import step_spans
from shared.domain import NativeBand, ScorerInfo, StudentProfile
from shared.errors import FieldError, InputError, IntegrityError
from shared.ports import Scorer, ScoreRequest
from shared.style import fit_band
from shared.text.notation import observe

Kind = Literal["proxy", "transformers", "served"]
Sample = tuple[str, str]

SCHEMA = "idiolect.profile/1"
LEAST_SAMPLES = 200
# More samples than this add seconds to the fit and next to nothing to the model.
MOST_SAMPLES = 3_000
# A neural scorer reads this many of them for the band: each takes about two seconds on a busy core.
BAND_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class FittedStudent:
    """Everything that speaks for one student.

    Attributes:
        profile: the immutable profile, named ``name@digest``.
        scorer: scores texts. gate: judges edited spans.
        samples: the native samples behind it, in a fixed order.
        kind: which scorer. model: its folder or hub name, None for the default.
    """

    profile: StudentProfile
    scorer: Scorer
    gate: ConformalGate
    samples: tuple[Sample, ...]
    kind: Kind
    model: str | None = None

    def save(self, folder: Path) -> None:
        """Write ``profile.json`` and ``samples.jsonl`` into the folder, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps({"problem": p, "text": t}, ensure_ascii=False) for p, t in self.samples)
        _write(folder / "samples.jsonl", "".join(f"{line}\n" for line in lines))
        with (folder / "contrast.npz").open("wb") as stream:
            np.savez_compressed(stream, weights=self.gate.contrast.weights.astype(np.float32))
        head = {
            "schema": SCHEMA,
            "kind": self.kind,
            "model": self.model,
            "units": asdict(self.gate.units),
            "profile": asdict(self.profile),
        }
        _write(folder / "profile.json", json.dumps(head, ensure_ascii=False, indent=1) + "\n")


def fit_student(
    name: str,
    samples: Iterable[Sample],
    *,
    kind: Kind = "proxy",
    model: Path | str | None = None,
    alpha: float = 0.05,
    served: Scorer | None = None,
) -> FittedStudent:
    """Fit a student on its own (problem, solution) samples, right or wrong; read once, in bounded memory.

    Of more than 3,000 samples, those with the smallest hashes are used. Kind ``served`` scores with `served`,
    a model that somebody else runs. Raises InputError for fewer than 200 samples and FieldError for an alpha
    outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise FieldError("alpha", f"is {alpha}", "give a share between 0 and 1, such as 0.05")
    kept = _choose(samples)
    if len(kept) < LEAST_SAMPLES:
        raise InputError(
            f"{len(kept)} different samples of {name!r} are too few to know a student by; "
            f"give at least {LEAST_SAMPLES}"
        )
    proxy = ProxyScorer(kept)
    scorer = _scorer(kind, model, proxy, served)
    band = _band(scorer, kept)
    gate = ConformalGate.fit(proxy, kept)
    thresholds = gate.calibrate(kept, alpha)
    notation = observe([[span.of(text) for span in step_spans(text)] for _, text in kept]).pairs()
    body = StudentProfile(name, "", scorer.info, len(kept), band, alpha, thresholds, notation)
    profile = StudentProfile(
        name, _digest(body, kept), scorer.info, len(kept), band, alpha, thresholds, notation
    )
    return FittedStudent(profile, scorer, gate, kept, kind, None if model is None else str(model))


def load_student(folder: Path, served: Callable[[ScorerInfo], Scorer] | None = None) -> FittedStudent:
    """Load what `FittedStudent.save` wrote; the scorer is fitted anew from the saved samples.

    Where a model that somebody else runs was the scorer, `served` gives that one.

    Raises InputError where the folder holds no profile, IntegrityError where its content does not match
    its digest.
    """
    head = _read_head(folder)
    kept = _read_samples(folder)
    profile = _profile(head["profile"])
    proxy = ProxyScorer(kept)
    scorer = _scorer(head["kind"], head["model"], proxy, served and served(profile.scorer))
    if scorer.info != profile.scorer or _digest(profile, kept) != profile.digest:
        raise IntegrityError(f"the profile in {folder} does not match its digest; build it again")
    gate = ConformalGate(proxy, Contrast(_read_weights(folder)), _units(head["units"]))
    return FittedStudent(profile, scorer, gate, kept, head["kind"], head["model"])


class Choice:
    """Different samples with a text, at most MOST_SAMPLES: those with the smallest hashes, in any order."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, Sample]] = []
        self._inside: set[int] = set()

    def add(self, sample: Sample) -> None:
        """Look at one more sample."""
        key = -_hash(sample)
        if not sample[1].strip() or key in self._inside:
            return
        if len(self._heap) < MOST_SAMPLES:
            heapq.heappush(self._heap, (key, sample))
            self._inside.add(key)
        elif key > self._heap[0][0]:
            self._inside.remove(heapq.heapreplace(self._heap, (key, sample))[0])
            self._inside.add(key)

    def chosen(self) -> tuple[Sample, ...]:
        """The samples in the order of their hashes."""
        return tuple(sample for _, sample in sorted(self._heap, reverse=True))


def _choose(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    choice = Choice()
    for sample in samples:
        choice.add(sample)
    return choice.chosen()


def _hash(sample: Sample) -> int:
    content = json.dumps(sample).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:16])


def _scorer(kind: Kind, model: Path | str | None, proxy: ProxyScorer, served: Scorer | None) -> Scorer:
    if kind == "proxy":
        return proxy
    if kind == "served" and served is not None:
        return served
    if kind == "transformers":
        from services.student.engines.transformers import TransformersScorer

        return TransformersScorer.load(model)
    raise InputError(f"there is no scorer {kind!r} here; take 'proxy' or 'transformers'")


def _band(scorer: Scorer, samples: Sequence[Sample]) -> NativeBand:
    if scorer.info.label != "proxy":
        samples = samples[:BAND_SAMPLES]
    requests = [ScoreRequest(problem, text) for problem, text in samples]
    batches = (requests[start : start + 64] for start in range(0, len(requests), 64))
    band = fit_band(scores.surprisals for batch in batches for scores in scorer.score(batch))
    if float("inf") in band.quarters:
        raise InputError("no sample has four tokens, so there is no native band; give whole solutions")
    return band


def _digest(profile: StudentProfile, samples: Sequence[Sample]) -> str:
    """sha256 prefix over everything but the digest itself."""
    content: dict[str, Any] = asdict(profile) | {"digest": "", "content": list(samples)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, content: str) -> None:
    path.write_bytes(content.encode("utf-8"))


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / "profile.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no profile.json; build one with `idiolect profile`")
    head: dict[str, Any] = json.loads(path.read_bytes())
    if head.get("schema") != SCHEMA:
        raise InputError(f"{path} is no {SCHEMA} file; build the profile again")
    return head


def _read_weights(folder: Path) -> npt.NDArray[np.float64]:
    with np.load(folder / "contrast.npz", allow_pickle=False) as stored:
        weights: npt.NDArray[np.float64] = stored["weights"].astype(np.float64)
    return weights


def _units(raw: dict[str, list[float]]) -> Units:
    surprisal, odds = raw["surprisal"], raw["odds"]
    return Units((surprisal[0], surprisal[1]), (odds[0], odds[1]))


def _read_samples(folder: Path) -> tuple[Sample, ...]:
    content = (folder / "samples.jsonl").read_bytes().decode("utf-8")
    rows = (json.loads(line) for line in content.split("\n") if line)
    return tuple((row["problem"], row["text"]) for row in rows)


def _profile(raw: dict[str, Any]) -> StudentProfile:
    first, second, third, fourth = raw["band"]["quarters"]
    return StudentProfile(
        name=raw["name"],
        digest=raw["digest"],
        scorer=ScorerInfo(**raw["scorer"]),
        samples=raw["samples"],
        band=NativeBand((first, second, third, fourth)),
        alpha=raw["alpha"],
        thresholds=tuple((least, bound) for least, bound in raw["thresholds"]),
        notation=tuple((key, value) for key, value in raw["notation"]),
    )
