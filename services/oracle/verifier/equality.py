"""Are two answers equal? The part that loads sympy and math-verify; runs in worker processes only.

math-verify catches every exception inside and then says "not equal", also where memory or stack ran out.
So a negative answer is taken only after the same work was done again under a tracer that sees each
exception where it is raised, and none of them was an exhausted limit.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from sympy import Expr, Rational

from services.oracle.verifier.extraction import final_answer
from services.oracle.verifier.plain import choice_letter, chosen_letter, plain_number, same_numbers, undress
from services.oracle.verifier.question import Outcome, Question

_EXHAUSTED = (MemoryError, RecursionError, OverflowError)
_CLEARLY = 1e-5
_RUN_OF_LETTERS = re.compile(r"[A-Za-z]{9,}")
_FORMULA = re.compile(r"\$|\\\(|\\\[|\\boxed|\\begin")
_SYMBOLIC = re.compile(r"[\\^_{}=<>|]|\d\s*[-+*/]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORDS = re.compile(r"[^\W\d_]{3,}")
_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|rm|mbox)\s*\{([^{}]*)\}")
_SUBSCRIPT = re.compile(r"_(?:\{\s*\\?([A-Za-z0-9]+)\s*\}|\s*([A-Za-z0-9]))")
_NAME = re.compile(r"[A-Za-z\\][A-Za-z\\_0-9{}, ()]*")


class Exhausted(BaseException):
    """A limit of memory or stack was met, whether or not somebody caught it since."""


def judge(question: Question) -> Outcome:
    """EQUAL, DIFFERENT or UNPARSABLE_GOLD; raises Exhausted rather than guess."""
    try:
        if _equal(question):
            return Outcome.EQUAL
        if _surely_different(question):
            return Outcome.DIFFERENT
        return watched(lambda: _final(question))
    except _EXHAUSTED as error:
        raise Exhausted from error


def _final(question: Question) -> Outcome:
    if _equal(question):
        return Outcome.EQUAL
    return Outcome.DIFFERENT if _readable(question) else Outcome.UNPARSABLE_GOLD


def watched(work: Callable[[], Outcome]) -> Outcome:
    """The result of `work`; raises Exhausted if a limit was met anywhere inside it, even if caught there."""
    met: list[type[BaseException]] = []

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_lines = False
        if event == "exception" and issubclass(argument[0], _EXHAUSTED):
            met.append(argument[0])
        return trace

    sys.settrace(trace)
    try:
        outcome = work()
    finally:
        # Python drops a tracer that can't be called any more, as at the bottom of the stack.
        if sys.gettrace() is not trace:
            met.append(RecursionError)
        sys.settrace(None)
    if met and outcome is not Outcome.EQUAL:
        raise Exhausted(met[0].__name__)
    return outcome


def _equal(question: Question) -> bool:
    gold, answer = question.gold, question.answer
    if question.letters or choice_letter(gold):
        letter = chosen_letter(gold)
        if letter and letter == (chosen_letter(answer) if question.letters else choice_letter(answer)):
            return True
        if question.letters:
            return False
    if question.ordered and _both_lists(gold, answer):
        return _same_lists(gold, answer, question.precision)
    if question.whole:
        return _parsed_equal(gold, answer, question) or _stated_equal(gold, answer, question)
    return _bare_equal(gold, answer, question)


def _surely_different(question: Question) -> bool:
    """Whether the values of two formulas were computed and differ, so that no limit can be to blame."""
    if question.whole or question.letters:
        return False
    gold, answer = undress(_unboxed(question.gold)), undress(_unboxed(question.answer))
    if _number_and_prose(gold, answer):
        return True
    only_latex = replace(question, notations=("latex",))
    first, second = (_parse(f"${text}$", only_latex)[:1] for text in (gold, answer))
    return bool(first and second) and _values_differ(first[0], second[0])


def _number_and_prose(gold: str, answer: str) -> bool:
    """Whether gold is a number and the answer holds words too long for a product of variables."""
    prose = "\\" not in answer and _RUN_OF_LETTERS.search(answer)
    return bool(prose) and plain_number(gold) is not None


def _values_differ(first: Any, second: Any) -> bool:
    """Whether two expressions in the same variables have different values at one point."""
    if (
        not (isinstance(first, Expr) and isinstance(second, Expr))
        or first.free_symbols != second.free_symbols
    ):
        return False
    names = sorted(first.free_symbols, key=str)
    point = {name: Rational(2 * index + 5, 7) for index, name in enumerate(names)}
    try:
        a, b = (expression.doit().subs(point).evalf(20) for expression in (first, second))
        return bool(a.is_Float and b.is_Float and abs(a - b) > _CLEARLY * (1 + abs(a)))
    except (TypeError, ValueError, AttributeError, NotImplementedError, ZeroDivisionError):
        return False


def _stated_equal(gold: str, answer: str, question: Question) -> bool:
    """Compare the final answers that the two texts state, as found by our own search."""
    stated_gold, stated = final_answer(gold), final_answer(answer)
    if stated_gold is None or stated is None or (stated_gold.text, stated.text) == (gold, answer):
        return False
    return _bare_equal(stated_gold.text, stated.text, question)


def _bare_equal(gold: str, answer: str, question: Question) -> bool:
    gold, answer = undress(_unboxed(gold)), undress(_unboxed(answer))
    if gold == answer or _letters_only(gold) == _letters_only(answer) != "":
        return True
    plain = same_numbers(gold, answer, question.precision)
    if plain is not None:
        return plain
    if _number_and_prose(gold, answer):
        return False
    if _formulas_equal(gold, answer, question):
        return True
    simple = _simplified(gold), _simplified(answer)
    return simple != (gold, answer) and _formulas_equal(*simple, question)


def _unboxed(text: str) -> str:
    """What the box in `text` holds, where there is one."""
    stated = final_answer(text) if "\\boxed" in text or "\\fbox" in text else None
    return stated.text if stated else text


def _formulas_equal(gold: str, answer: str, question: Question) -> bool:
    """Compare two formulas as a whole: no figure is picked from one that can't be parsed."""
    return _parsed_equal(f"${gold}$", f"${answer}$", replace(question, notations=("latex",)))


def _simplified(text: str) -> str:
    """`text` with plain subscripts and without the name that it is assigned to, for what won't parse else."""
    text = _SUBSCRIPT.sub(r"_{\1\2}", _WRAPPED.sub(r"\1", text))
    left, equals, right = text.partition("=")
    return right.strip() if equals and "=" not in right and _NAME.fullmatch(left.strip()) else text


def _letters_only(text: str) -> str:
    """`text` in lower case without ``\\text{}`` and spaces where it is words; else empty."""
    joined = re.sub(r"[\s'’.-]+", "", _WRAPPED.sub(r"\1", text)).lower()
    return joined if re.fullmatch(r"[^\W\d_][^\W\d_,]+", joined) else ""


def _parsed_equal(gold: str, answer: str, question: Question) -> bool:
    first, second = _parse(gold, question), _parse(answer, question)
    return bool(
        verify(
            first,
            second,
            float_rounding=question.precision,
            strict=question.strict,
            allow_set_relation_comp=question.relations_as_sets,
            timeout_seconds=None,
        )
    )


def _parse(text: str, question: Question) -> list[Any]:
    readers = {"latex": LatexExtractionConfig(boxed_match_priority=0), "expr": ExprExtractionConfig()}
    wanted = [readers[name] for name in question.notations]
    return list(parse(text, wanted, parsing_timeout=None))


def _both_lists(gold: str, answer: str) -> bool:
    return all("," in text and all(plain_number(part) for part in text.split(",")) for text in (gold, answer))


def _same_lists(gold: str, answer: str, precision: int) -> bool:
    first, second = gold.split(","), answer.split(",")
    return len(first) == len(second) and all(
        same_numbers(a, b, precision) for a, b in zip(first, second, strict=True)
    )


def _readable(question: Question) -> bool:
    """Whether gold could be read as mathematics, or was never meant to be."""
    gold = undress(question.gold)
    if plain_number(gold) or _letters_only(gold) or choice_letter(gold) or question.letters:
        return True
    if not _SYMBOLIC.search(gold):
        return bool(gold)
    if question.whole and _FORMULA.search(question.gold):
        found = _parse(question.gold, question)
    else:
        found = _parse(f"${gold}$", replace(question, notations=("latex",)))
    return any(not isinstance(part, str) for part in found) or bool(_WORDS.search(_COMMAND.sub("", gold)))
