"""The scripted student in process: says at once what the scripted engine says at its speed."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.inference.prompting import StudentTemplate
from services.inference.scripted import Script
from services.student.engines.base import check_generation
from shared.domain import ModelInfo, Sampling
from shared.ports import Generation, GenerationRequest


@dataclass(frozen=True, slots=True)
class ScriptedGenerator:
    """Implements `shared.ports.Generator` by a script; equal to the service with the same script."""

    script: Script = field(default_factory=Script)
    template: StudentTemplate = field(default_factory=StudentTemplate)

    @property
    def info(self) -> ModelInfo:
        """Engine ``scripted``."""
        return self.script.info()

    def generate(self, request: GenerationRequest) -> list[Generation]:
        """`n` samples, in order. Raises FieldError for a request that can't be served."""
        check_generation(request)
        template = self.template.instead(request.instruction, request.system)
        prompt = template.prompt(request.problem, request.hint, request.prefix)
        sampling = Sampling(
            n=request.n, temperature=request.temperature, max_tokens=request.max_tokens, seed=request.seed
        )
        made = (self.script.sample(prompt, sampling, index) for index in range(request.n))
        return [Generation(sample.text, sample.tokens, sample.finished) for sample in made]
