"""How the student is asked: the problem in its template, a hint beside it, the begun solution behind it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from shared.domain import Message, ModelInfo, Prompt


@dataclass(frozen=True, slots=True)
class StudentTemplate:
    """What stands around every problem, beside the model's own chat template.

    Attributes:
        system: system message; None leaves it to the model's template.
        instruction: put behind every problem, such as "Put the answer in \\\\boxed{}."; None: nothing.
    """

    system: str | None = None
    instruction: str | None = None

    def prompt(self, problem: str, hint: str | None = None, prefix: str = "") -> Prompt:
        """The prompt that asks for a solution, or for the rest of one that begins with `prefix`."""
        parts = [problem]
        if self.instruction:
            parts.append(self.instruction)
        if hint is not None:
            parts.append(f"Hint: {hint}")
        turns = [Message("user", "\n\n".join(parts))]
        if self.system is not None:
            turns.insert(0, Message("system", self.system))
        return Prompt(tuple(turns), prefix)

    def instead(self, instruction: str | None, system: str | None) -> StudentTemplate:
        """With what is given in place of its own; None keeps that."""
        return StudentTemplate(
            self.system if system is None else system,
            self.instruction if instruction is None else instruction,
        )

    def seen_through(self, info: ModelInfo) -> ModelInfo:
        """The model as it is served with this template: another template is another digest."""
        if self == StudentTemplate():
            return info
        material = f"{info.digest}\x1f{self.system}\x1f{self.instruction}"
        return replace(info, digest=hashlib.sha256(material.encode()).hexdigest())
