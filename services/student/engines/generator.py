"""A minimal generator in process: the student goes on from a prefix, with a seed a sample."""

from __future__ import annotations

from pathlib import Path

from services.inference.checkpoint import THREADS, Checkpoint, load_checkpoint
from services.inference.encoding import render
from services.inference.prompting import StudentTemplate
from services.student.engines.base import check_generation
from shared.domain import ModelInfo, Sample, Sampling
from shared.errors import FieldError
from shared.ports import Generation, GenerationRequest


class TransformersGenerator:
    """Implements `shared.ports.Generator` with a key-value cache, one request at a time.

    The prefix stands in the assistant's turn and a hint in the user's. Equal requests give equal samples, and
    each sample draws from a random stream of its own. Batching is that of `services.inference.transformers`.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @classmethod
    def load(cls, model: Path | str | None = None, *, threads: int = THREADS) -> TransformersGenerator:
        """Generator on a folder, a GGUF file or a hub name; None takes SmolLM2-135M-Instruct."""
        return cls(load_checkpoint(model, threads=threads))

    @property
    def info(self) -> ModelInfo:
        """The model that generates."""
        checkpoint = self.checkpoint
        return ModelInfo("transformers", checkpoint.name, checkpoint.digest, checkpoint.context)

    def generate(self, request: GenerationRequest) -> list[Generation]:
        """`n` samples, in order. Raises FieldError for a request that can't be served."""
        check_generation(request)
        template = StudentTemplate(request.system, request.instruction)
        asked = template.prompt(request.problem, request.hint)
        prompt = render(self.checkpoint.tokenizer, asked.messages)
        prefix, _ = self.checkpoint.encode(request.prefix, "prefix")
        room = self.checkpoint.context - len(prompt) - len(prefix)
        if room < 1:
            problem = f"leaves no room in the model's {self.checkpoint.context} tokens"
            raise FieldError("problem", problem, "shorten the problem, the hint or the prefix")
        samples = self._samples(prompt, prefix, request, min(request.max_tokens, room))
        return [Generation(sample.text, sample.tokens, sample.finished) for sample in samples]

    def _samples(
        self, prompt: list[int], prefix: list[int], request: GenerationRequest, limit: int
    ) -> list[Sample]:
        from services.inference.transformers.rows import Job
        from services.inference.transformers.sampler import Room, Sampler

        sampling = Sampling(request.n, request.temperature, request.top_p, limit, request.seed)
        samples: list[Sample] = []
        faults: list[Exception] = []
        sampler = Sampler(self.checkpoint, Room(cached=0))
        sampler.add(Job(prompt + prefix, prefix, sampling, limit, samples.append, faults.append))
        while sampler.busy:
            sampler.turn()
        if faults:
            raise faults[0]
        return sorted(samples, key=lambda sample: sample.index)
