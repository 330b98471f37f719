"""Rewriter `oracle_rewrite`: a language model writes the first wrong step anew, in the student's way.

The model is shown the problem, the student's steps before the wrong one, what the locators say against it,
steps of the student's other solutions, and the student's habits of notation. Gold, the reference solution,
and what the locators `answer` and `reference` say (they may quote both) stay hidden unless allowed.

It answers with the text of one step. That text stands in for the native step, whose step marker and outer
white space are kept; lines beyond those of the native step are cut. Whatever else the model would change has
no way into the solution.

Later steps are not the model's: the numbers that the new step corrects are carried on through them by rule.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from fractions import Fraction

from services.inference.base import LanguageModel
from services.oracle.fence import Fence
from services.oracle.promptfiles import REWRITE, PromptFile, load_prompt
from services.oracle.rewriters.carry import carried_on
from services.oracle.rewriters.habits import habit_lines
from services.oracle.rewriters.script import Entry, edits_of, touched_by
from services.oracle.structured import derived_seed, in_order, object_schema, read_answer
from shared.domain import Candidate, Problem, Prompt, Sampling, StepVerdict, Trajectory
from shared.errors import FieldError
from shared.ports import RewriteRequest
from shared.quantities.derivations import derivations
from shared.quantities.numbers import find_numbers
from shared.text.notation import split_marker

SCHEMA = object_schema(step={"type": "string"})

_OTHERS = "Steps of the same student's other solutions:"
# Locators whose sentences may quote gold or the reference.
_KNOW_THE_SOLUTION = frozenset({"answer", "reference"})


@dataclass(frozen=True, slots=True)
class RewriteSettings:
    """How the model is asked for a step.

    Attributes:
        n: samples, at least 1. temperature: above 0 where there is more than one sample.
        top_p: nucleus, in (0, 1].
        max_tokens: most new tokens a sample.
        examples: most steps of other solutions that are shown.
        carry: whether corrected numbers are carried on through the later steps.
        show_reference: whether the model sees gold, the reference and remarks that may quote them; what it
            writes may then be copied from there.
    """

    n: int = 4
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    examples: int = 8
    carry: bool = True
    show_reference: bool = False

    def __post_init__(self) -> None:
        if self.n < 1:
            raise FieldError("n", f"is {self.n}", "ask for at least one sample")
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise FieldError("temperature", f"is {self.temperature}", "give a number that is 0 or more")
        if self.n > 1 and self.temperature == 0:
            problem = f"is 0, which makes {self.n} equal samples"
            raise FieldError("temperature", problem, "give a number above 0, or ask for one sample")
        if self.examples < 0:
            raise FieldError("examples", f"is {self.examples}", "give 0 or more")


@dataclass(frozen=True, slots=True)
class OracleRewrite:
    """Implements `services.oracle.base.ServedRewriter` on any language model.

    Edits of the rewritten step name ``oracle:<model>`` as their author, those of carried numbers ``rules``.
    """

    model: LanguageModel
    settings: RewriteSettings = field(default_factory=RewriteSettings)
    prompt: PromptFile = field(default_factory=lambda: load_prompt(REWRITE))
    name: str = field(default="oracle_rewrite", init=False)

    async def propose(self, request: RewriteRequest) -> AsyncIterator[Candidate]:
        """One candidate a different step, in the order of the samples; none without a first wrong step.

        Closing the iterator stops the generation.
        """
        first = request.diagnosis.first_error
        if first is None or not 0 <= first < len(request.trajectory.steps):
            return
        native = request.trajectory.steps[first].text
        seen = {native}
        samples = self.model.sample(self.asked(request, first), self._sampling(request))
        async with aclosing(in_order(samples)) as answers:
            async for sample in answers:
                new = in_place_of(native, sample.text)
                if new is not None and new not in seen:
                    seen.add(new)
                    yield self._candidate(request.trajectory, first, new)

    def asked(self, request: RewriteRequest, first: int) -> Prompt:
        """The prompt for step `first`."""
        problem = request.trajectory.problem
        texts = [step.text for step in request.trajectory.steps]
        examples = [text for text in request.examples if text.strip()][: self.settings.examples]
        remarks = self._remarks(request, first)
        known = [text for text in (problem.gold, problem.reference) if text and self.settings.show_reference]
        fence = Fence.around(problem.text, *texts[: first + 1], *examples, *remarks, *known)
        before = [(f"step {index}", text) for index, text in enumerate(texts[:first])]
        habits = [f"- {line}." for line in habit_lines(texts, request.profile)]
        return self.prompt.filled(
            key=fence.key,
            problem=fence.quote("problem", problem.text),
            before=_section("The student's steps so far:", _quoted(fence, before)),
            wrong=fence.quote("wrong-step", split_marker(texts[first])[1].strip()),
            evidence=_section("Said against it:", _quoted(fence, [("remark", said) for said in remarks])),
            examples=_section(_OTHERS, _quoted(fence, [("example", text) for text in examples])),
            habits=_section("How the student writes:", habits),
            reference=self._reference(fence, problem),
        )

    def _remarks(self, request: RewriteRequest, first: int) -> list[str]:
        """What speaks against the step, each sentence once; from gold and reference only where allowed."""
        against = [
            finding.evidence
            for finding in request.diagnosis.findings
            if finding.index == first and finding.verdict is StepVerdict.WRONG and finding.evidence
            if self.settings.show_reference or finding.source not in _KNOW_THE_SOLUTION
        ]
        return list(dict.fromkeys(against))

    def _reference(self, fence: Fence, problem: Problem) -> str:
        given = [("final-answer", problem.gold), ("reference-solution", problem.reference)]
        shown = [(label, text) for label, text in given if text and self.settings.show_reference]
        return _section("What is known of the right solution:", _quoted(fence, shown))

    def _sampling(self, request: RewriteRequest) -> Sampling:
        return Sampling(
            n=self.settings.n,
            temperature=self.settings.temperature,
            top_p=self.settings.top_p,
            max_tokens=self.settings.max_tokens,
            seed=derived_seed(request.seed, self.name),
            schema=SCHEMA,
        )

    def _candidate(self, trajectory: Trajectory, first: int, new: str) -> Candidate:
        model = self.model.info.model
        later = [step.text for step in trajectory.steps[first + 1 :]]
        if self.settings.carry:
            later = carried_from(trajectory, first, new)
        entries = [Entry(step.index, step.text) for step in trajectory.steps[:first]]
        entries.append(Entry(first, new, whole=True, author=f"oracle:{model}"))
        entries += [Entry(index, text) for index, text in enumerate(later, start=first + 1)]
        touched = touched_by(trajectory, entries)
        note = f"step {first} rewritten by {model}"
        if len(touched) > 1:
            note += f", its numbers carried on through {', '.join(map(str, touched[1:]))}"
        return Candidate(edits_of(trajectory, entries, self.name), self.name, touched, note)


def in_place_of(native: str, answer: str) -> str | None:
    """The step that an answer gives, in the frame of the native one; None where it gives none.

    White space around the native step and its marker stay. A marker that the model wrote is dropped where the
    native step has one, "Step 3:" always, and so are lines beyond the number of the native step's lines.
    """
    read = read_answer(answer, SCHEMA)
    if read is None:
        return None
    marker, body = split_marker(native)
    step = read["step"].strip()
    written, words = split_marker(step)
    if any(marker) or "Step" in written[0]:
        step = words.strip()
    step = _lines(step, len(body.strip().splitlines()))
    if not step:
        return None
    start = len(native) - len(body.lstrip())
    return native[:start] + step + native[max(start, len(native.rstrip())) :]


def carried_from(trajectory: Trajectory, first: int, new: str) -> list[str]:
    """The steps behind step `first`, with what `new` corrects carried on through them.

    The result of a step's last calculation becomes that of the new step. A value that the problem or an
    earlier step holds is never replaced, since a later step may have it from there.
    """
    later = [step.text for step in trajectory.steps[first + 1 :]]
    before = [trajectory.problem.text, *(step.text for step in trajectory.steps[:first])]
    kept = {number.value for text in before for number in find_numbers(text)}
    old, now = _result(trajectory.steps[first].text), _result(new)
    if old is None or now is None or old == now or old in kept:
        return later
    return carried_on(later, {old: now}, kept)


def _result(text: str) -> Fraction | None:
    """What a step comes to: the result of its last calculation, else its last number."""
    made = list(derivations([text]))
    if made:
        return made[-1].result
    numbers = find_numbers(text)
    return numbers[-1].value if numbers else None


def _lines(text: str, most: int) -> str:
    return "".join(text.splitlines(keepends=True)[: max(1, most)]).rstrip()


def _quoted(fence: Fence, texts: Sequence[tuple[str, str]]) -> list[str]:
    return [fence.quote(label, text) for label, text in texts]


def _section(title: str, lines: Sequence[str]) -> str:
    """A titled part of the prompt with the blank line behind it; nothing where it would be empty."""
    return "\n".join([title, *lines]) + "\n\n" if lines else ""
