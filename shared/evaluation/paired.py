"""Two models on one set: the difference with its interval, and which difference a design can detect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import NormalDist

from shared.bootstrap import Interval, mean_interval
from shared.domain import Graded
from shared.errors import FieldError
from shared.evaluation.tally import ProblemTally, tallies
from shared.jsonl import JsonObject

_SHOWN = 5
DEFINITION = (
    "Avg@k of the first minus that of the second; 95 % paired bootstrap over problems. "
    "detectable: smallest true difference that such a design shows four times in five"
)


def compare(a: Iterable[Graded], b: Iterable[Graded], seed: int = 0) -> Interval:
    """Avg@k of `a` minus that of `b`, with a 95 % bootstrap interval over problems, the two kept paired.

    Every problem counts as one difference, so what makes a problem hard for both cancels. Raises FieldError
    (it names the difference) unless both were asked the same problems, equally often.
    """
    return compare_tallies(tallies(a), tallies(b), seed)


def compare_tallies(a: Sequence[ProblemTally], b: Sequence[ProblemTally], seed: int = 0) -> Interval:
    """As `compare`, from counts."""
    return mean_interval(differences(a, b), seed=seed)


def comparison(a: Sequence[ProblemTally], b: Sequence[ProblemTally]) -> JsonObject:
    """Two evaluations as JSON: k, problems, `a_minus_b` with its interval, and what the design can show.

    Raises FieldError as `compare` does.
    """
    found = compare_tallies(a, b)
    k = a[0].samples if a else 0
    return {
        "k": k,
        "problems": found.n,
        "a_minus_b": found.to_json(),
        "detectable": round(detectable(found.n, k), 4) if found.n and k else None,
        "definition": DEFINITION,
    }


def differences(a: Sequence[ProblemTally], b: Sequence[ProblemTally]) -> list[float]:
    """Accuracy in `a` minus accuracy in `b`, problem by problem in order of ids."""
    first, second = ({one.id: one for one in side} for side in (a, b))
    _same_ids(set(first), set(second))
    for name in first:
        _same_question(first[name], second[name])
    return [first[name].accuracy - second[name].accuracy for name in sorted(first)]


def _same_ids(a: set[str], b: set[str]) -> None:
    if a == b:
        return
    told = [_only(side, names) for side, names in (("first", a - b), ("second", b - a)) if names]
    raise FieldError("id", "; ".join(told), "evaluate both models on one set")


def _only(side: str, names: set[str]) -> str:
    shown = ", ".join(map(repr, sorted(names)[:_SHOWN]))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{shown}{more} only in the {side}"


def _same_question(a: ProblemTally, b: ProblemTally) -> None:
    if a.text != b.text:
        raise FieldError("problem", f"{a.id!r} has another text or gold", "evaluate both models on one set")
    if a.samples != b.samples:
        problem = f"are {a.samples} in the first and {b.samples} in the second"
        raise FieldError("samples", problem, "draw equally many for both models")


def detectable(
    problems: int,
    k: int,
    *,
    between: float = 1 / 9,
    within: float = 1 / 6,
    runs: int = 1,
    between_runs: float = 0.0,
    level: float = 0.95,
    power: float = 0.8,
) -> float:
    """The smallest true difference in Avg@k that a paired comparison is likely to call one.

    (z[1 - (1 - level) / 2] + z[power]) * sqrt((between + 2 * within / (k * runs)) / problems
    + 2 * between_runs / runs), z being quantiles of the normal distribution: Miller, "Adding Error Bars to
    Evals" (arXiv 2411.00640), equation 10, with a term of our own for models that are trained anew.

    Args:
        problems, k: the design. level, power: of the interval, and the chance to see the difference.
        between: variance over problems of the true difference in accuracy; within: mean variance of one
            sample (right or wrong) within a problem. The defaults suppose that problems are spread evenly
            from never to always solved: 1/6 within, and 1/9 between where the models' accuracies by problem
            correlate by 1/3.
        runs: independently trained models an arm, each asked all problems; between_runs: variance of a
            model's accuracy over them (0: one model each, and nothing is said about training it again).

    Raises:
        FieldError: for a design without problems, samples or runs.
    """
    for name, value in {"problems": problems, "samples": k, "runs": runs}.items():
        if value < 1:
            raise FieldError(name, f"is {value}", "give a positive whole number")
    normal = NormalDist()
    reach = normal.inv_cdf(1 - (1 - level) / 2) + normal.inv_cdf(power)
    variance = (between + 2 * within / (k * runs)) / problems + 2 * between_runs / runs
    return reach * sqrt(variance)
