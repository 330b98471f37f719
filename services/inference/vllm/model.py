"""A language model that vLLM runs: the port's methods, told in domain types."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.inference.adapters import adapted_digest
from services.inference.base import check_prompt, check_sampling
from services.inference.checkpoint import digest_of, find_folder, require
from services.inference.encoding import (
    check_size,
    configured_ends,
    encode,
    longest_token,
    render,
    token_spans,
)
from services.inference.stops import end_ids
from services.inference.vllm.adapters import check_served
from services.inference.vllm.engine import CLOSED, LOST, Adapter, Engine
from services.inference.vllm.figures import StepTally
from services.inference.vllm.gate import Gate
from services.inference.vllm.settings import VllmSettings
from shared.domain.model import EngineFigures, ModelInfo, Prompt, Sample, Sampling
from shared.domain.style import TokenScores
from shared.errors import BusyError, EngineLostError, FieldError, UnavailableError

NO_SLEEP = "sleep gives no memory back here, it only forgets the cache of prefixes"


@dataclass(frozen=True, slots=True)
class _Source:
    """A model's folder read as far as it is needed here: no weights."""

    name: str
    folder: Path
    digest: str
    tokenizer: Any
    ends: frozenset[int]
    longest: int


class VllmModel:
    """Implements `services.inference.base.LanguageModel`; runs in the event loop that started it.

    Sample `i` is a sequence of its own with a seed of its own. Equal requests give equal samples, unless
    other sequences in the batch round a probability differently (`batch_invariant` rules that out, on GPUs
    that have it). A temperature between 0 and .01 is raised to .01. A text is scored with one token left
    free in the context, and nothing of it is read from the cache of prefixes.

    vLLM's own metrics (``vllm:...``) are in the default registry of prometheus_client, beside the service's.
    """

    def __init__(self, settings: VllmSettings, source: _Source, engine: Engine, tally: StepTally) -> None:
        self._settings = settings
        self._source = source
        self._engine = engine
        self._tally = tally
        self._gate = Gate()
        self._changing = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._adapter: Adapter | None = None
        self._in_flight = 0
        self._closed = False
        self._exchange: asyncio.Future[None] | None = None
        self._info = self._bare_info()

    @classmethod
    async def start(cls, settings: VllmSettings) -> VllmModel:
        """Load the model and start its engine, which takes seconds to minutes.

        Raises UnavailableError where the model, vLLM or the memory is missing.
        """
        source = await asyncio.to_thread(_read_source, settings.model)
        tally = StepTally()
        return cls(settings, source, await Engine.start(settings, source.folder, tally), tally)

    @property
    def info(self) -> ModelInfo:
        """The model that is being served now, also while the engine sleeps or after its death."""
        return self._info

    @property
    def figures(self) -> EngineFigures:
        """What is under way, as of the last step of the engine."""
        busy = self._in_flight > 0
        return EngineFigures(
            running=self._tally.running if busy else 0,
            waiting=self._tally.waiting if busy else 0,
            peak_running=self._tally.peak_running,
            steps=self._tally.steps,
            step_sequences=self._tally.step_sequences,
            cache_queries=self._tally.cache_queries,
            cache_hits=self._tally.cache_hits,
        )

    @property
    def unfinished(self) -> int:
        """Sequences that the engine itself counts as under way."""
        return self._engine.unfinished

    async def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        """`n` samples as they finish. Closing the iterator, or cancelling its task, stops the generation."""
        check_prompt(prompt)
        check_sampling(sampling)
        ids = self._prompt_ids(prompt)
        params = _sampling_params(sampling, self._room(len(ids)), self._source.ends)
        with self._gate.passed():
            work = (self._one(ids, params, sampling.seed, i, self._adapter) for i in range(sampling.n))
            tasks = [asyncio.ensure_future(one) for one in work]
            try:
                for finished in asyncio.as_completed(tasks):
                    yield await finished
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        """Surprisal and rank of every token of `text` after the prompt, the text encoded alone."""
        check_prompt(prompt)
        check_size("text", text, self.info.context, self._source.longest)
        before = self._prompt_ids(prompt)
        ids, offsets = encode(self._source.tokenizer, text)
        self._check_scorable(len(before) + len(ids))
        with self._gate.passed():
            if not ids:
                return TokenScores((), (), ())
            output = await self._run(before + ids, _scoring_params(), self._adapter)
        surprisals, ranks = _prompt_scores(output.prompt_logprobs, len(ids))
        return TokenScores(token_spans(offsets), surprisals, ranks)

    async def load(self, source: str) -> ModelInfo:
        """Serve another model (a folder, GGUF file or hub name) once the running calls are done.

        Calls that come meanwhile raise BusyError. Where the new model can't be served, the old one
        is started again and this raises UnavailableError. It goes on when its caller goes away, and it is
        the way back after the engine's death.
        """
        found = await asyncio.to_thread(_read_source, source)
        self._exchange = asyncio.ensure_future(self._exchanged(found))
        await asyncio.shield(self._exchange)
        return self.info

    async def adapt(self, source: str | None) -> ModelInfo:
        """Serve with the LoRA adapter in that folder; None serves the bare model again. Nobody waits for it.

        Calls that are under way end with what they began with. Raises FieldError for an unusable adapter.
        """
        async with self._changing:
            if source is None:
                self._adapter, self._info = None, self._bare_info()
                return self.info
            folder = Path(source)
            check_served(folder, self._source.folder, self._settings)
            digest = await asyncio.to_thread(adapted_digest, self._source.digest, folder)
            adapter = Adapter(folder.resolve(), next(self._numbers))
            with self._gate.passed():
                await self._engine.add(adapter)
            name = adapter.folder.name
            self._adapter, self._info = adapter, replace(self._bare_info(), digest=digest, adapter=name)
        return self.info

    async def sleep(self) -> None:
        """Let the running calls end, then give the GPU's memory back where the platform can."""
        async with self._changing:
            self._gate.shut("the engine is asleep")
            try:
                await self._gate.emptied()
                await self._engine.sleep()
            except BaseException:
                self._gate.open()
                raise

    async def wake(self) -> None:
        """Be ready again after `sleep`."""
        async with self._changing:
            await self._engine.wake()
            self._gate.open()

    async def close(self) -> None:
        """End the engine's processes; running calls raise UnavailableError."""
        self._closed = True
        await self._engine.stop()
        async with self._changing:
            await self._engine.stop()
            self._tally.forget_current()

    async def _exchanged(self, found: _Source) -> None:
        """Drain, stop the engine and start one for what was found, else one for what was there before."""
        async with self._changing:
            self._gate.shut("another model is being loaded")
            try:
                await self._gate.emptied()
                await self._engine.stop()
                self._tally.forget_current()
                await self._serve(found)
            except UnavailableError:
                await self._serve(self._source)
                raise
            finally:
                self._gate.open()

    async def _serve(self, source: _Source) -> None:
        if self._closed:
            raise UnavailableError(CLOSED)
        self._engine = await Engine.start(self._settings, source.folder, self._tally)
        self._source, self._adapter = source, None
        self._info = self._bare_info()

    def _bare_info(self) -> ModelInfo:
        sleepless = self._settings.enable_sleep_mode and not self._engine.sleeps
        return ModelInfo(
            engine="vllm",
            model=self._source.name,
            digest=self._source.digest,
            context=self._engine.context,
            limits=NO_SLEEP if sleepless else "",
        )

    def _prompt_ids(self, prompt: Prompt) -> list[int]:
        context, longest = self.info.context, self._source.longest
        for place, message in enumerate(prompt.messages):
            check_size(f"messages[{place}].content", message.content, context, longest)
        check_size("prefix", prompt.prefix, context, longest)
        tokenizer = self._source.tokenizer
        return render(tokenizer, prompt.messages) + encode(tokenizer, prompt.prefix, "prefix")[0]

    def _room(self, used: int) -> int:
        context = self.info.context
        if used >= context:
            problem = f"make {used} tokens, which leaves no room in the model's {context}"
            raise FieldError("messages", problem, "shorten the messages or the prefix")
        return context - used

    def _check_scorable(self, used: int) -> None:
        most = self.info.context - 1
        if used > most:
            problem = f"makes {used} tokens with its prompt, more than the {most} that can be scored"
            raise FieldError("text", problem, "shorten it or take a model with a longer context")

    async def _one(
        self, ids: list[int], params: dict[str, Any], seed: int, index: int, adapter: Adapter | None
    ) -> Sample:
        from vllm import SamplingParams

        output = await self._run(ids, SamplingParams(**params, seed=_seed(seed, index)), adapter)
        return _sample(output, index, self._source.ends)

    async def _run(self, ids: list[int], params: Any, adapter: Adapter | None) -> Any:
        """One sequence through the engine."""
        from vllm.exceptions import VLLMClientError

        self._in_flight += 1
        try:
            output = await self._engine.generate(ids, params, adapter)
        except VLLMClientError as error:
            field = "schema" if params.structured_outputs else "messages"
            raise FieldError(field, f"is refused by vLLM ({error})", "change it accordingly") from error
        finally:
            self._in_flight -= 1
        if output.outputs[0].finish_reason not in ("stop", "length"):
            raise EngineLostError(LOST) if self._engine.lost else BusyError("vLLM gave the request up", 1.0)
        return output


def _read_source(model: str | None) -> _Source:
    """Find a model and read its tokenizer. Raises UnavailableError where there is none."""
    require("transformers")
    import transformers

    name, folder = find_folder(model)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    digest = digest_of(folder, tokenizer.chat_template)
    return _Source(
        name, folder, digest, tokenizer, end_ids(tokenizer, configured_ends(folder)), longest_token(tokenizer)
    )


def _sampling_params(sampling: Sampling, room: int, ends: frozenset[int]) -> dict[str, Any]:
    """What vLLM is asked, the seed left open."""
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    schema = None if sampling.schema is None else StructuredOutputsParams(json=_schema(sampling.schema))
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": min(sampling.max_tokens, room),
        "stop": list(sampling.stop),
        "stop_token_ids": sorted(ends),
        "structured_outputs": schema,
        "output_kind": RequestOutputKind.FINAL_ONLY,
    }


def _schema(text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise FieldError("schema", f"is no JSON ({error})", "give a JSON schema as text") from error
    if not isinstance(schema, dict):
        raise FieldError("schema", "is no JSON object", "give a JSON schema as text")
    return schema


def _scoring_params() -> Any:
    """Log-probs of the prompt's own tokens. vLLM can't leave out to generate one token after it."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        max_tokens=1,
        temperature=0,
        prompt_logprobs=0,
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _prompt_scores(flat: Any, count: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Surprisals and ranks of the last `count` tokens of a prompt."""
    begins = flat.start_indices[-count:]
    surprisals = tuple(max(0.0, -flat.logprobs[begin]) for begin in begins)
    return surprisals, tuple(flat.ranks[begin] for begin in begins)


def _sample(output: Any, index: int, ends: frozenset[int]) -> Sample:
    """A finished request as a sample; the end token is not counted."""
    answer = output.outputs[0]
    ids = list(answer.token_ids)
    ended = bool(ids) and ids[-1] in ends
    return Sample(
        index=index,
        text=answer.text,
        tokens=len(ids) - ended,
        prompt_tokens=len(output.prompt_token_ids),
        finished=answer.finish_reason == "stop",
        cached_tokens=output.num_cached_tokens or 0,
    )


def _seed(seed: int, index: int) -> int:
    """The seed of sample `index`."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:7])
