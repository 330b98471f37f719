"""The `openai` engine: a model behind an OpenAI-compatible endpoint, as student or as oracle."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.inference.base import check_prompt, check_sampling
from services.inference.encoding import token_spans
from services.inference.openai.answers import Answer, cut, read_stream
from services.inference.openai.endpoint import Call, Endpoint
from services.inference.openai.faults import BrokenAnswerError, NoRouteError
from services.inference.openai.requests import chat_body, check_texts, completion_body, estimate
from services.inference.openai.scoring import WAYS, Reading, Way, same_pieces
from services.inference.openai.settings import OpenAISettings
from services.inference.openai.spending import Spent, Usage
from services.inference.openai.tokenizer import Encoded, FolderTokenizer
from shared.domain.model import EngineFigures, Message, ModelInfo, Prompt, Sample, Sampling
from shared.domain.style import TokenScores
from shared.errors import BudgetError, FieldError, UnavailableError, UnsupportedError

_PROBE = Prompt((Message("user", "What is 3 + 4?"),))
_PROBE_TEXT = "Tom has 3 + 4 = 7 apples."
_NOT_HERE = "the model lives in another server"


@dataclass(frozen=True, slots=True)
class _Served:
    """The model that is asked now; `way` is how its log-probs are told, or None, and then `lack` says why."""

    info: ModelInfo
    way: Way | None
    lack: str


class OpenAIEngine:
    """Implements `services.inference.base.LanguageModel` over HTTP.

    A sample is a request of its own, so that samples come as they finish; closing the iterator closes the
    connections, which is how such servers learn that they may stop. An endpoint that can't be reached raises
    UnavailableError after the retries, call by call: it may be back for the next.
    A spent budget raises BudgetError; the samples that already run are finished and yielded before.
    """

    def __init__(self, endpoint: Endpoint, tokenizer: FolderTokenizer | None, served: _Served) -> None:
        """Use `connect`."""
        self._endpoint = endpoint
        self._settings = endpoint.settings
        self._tokenizer = tokenizer
        self._encoding = asyncio.Lock()
        self._served = served

    @classmethod
    async def connect(cls, settings: OpenAISettings) -> OpenAIEngine:
        """Find out what the endpoint offers: its context and, given a tokenizer, its log-probs (1-4 calls).

        Raises UnavailableError where it can't be reached, refuses the key or, as far as that was seen, lacks
        the model.
        """
        tokenizer = FolderTokenizer.load(settings.tokenizer) if settings.tokenizer is not None else None
        endpoint = Endpoint(settings)
        engine = cls(endpoint, tokenizer, _Served(_info(settings, settings.model, tokenizer, 0), None, ""))
        try:
            contexts = await endpoint.models()
            engine._served = await engine._probed(settings.model, contexts.get(settings.model, 0))
        except BaseException:
            await endpoint.close()
            raise
        return engine

    @property
    def info(self) -> ModelInfo:
        """The digest is sha256 over host, path, model name and tokenizer.

        The endpoint's weights can't be seen: they may change under one digest, and equal weights in other
        engines have other digests.
        """
        return self._served.info

    @property
    def figures(self) -> EngineFigures:
        """Requests of this engine; what others ask of the endpoint can't be seen."""
        return self._endpoint.figures

    @property
    def spent(self) -> Spent:
        """Requests, tokens and cost so far."""
        return self._endpoint.spending.spent

    async def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        """`n` samples as they finish; `tokens` and `prompt_tokens` are counted by the server."""
        check_prompt(prompt)
        check_sampling(sampling)
        check_texts(prompt, sampling)
        calls = await self._calls(prompt, sampling)
        tasks = [
            asyncio.ensure_future(self._sampled(call, sampling, index)) for index, call in enumerate(calls)
        ]
        spent: BudgetError | None = None
        try:
            for finished in asyncio.as_completed(tasks):
                try:
                    sample = await finished
                except BudgetError as error:
                    spent = error
                    continue
                yield sample
        finally:
            await _ended(tasks)
        if spent is not None:
            raise spent

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        """Ranks are 0 (unknown) where the server tells none; without log-probs, UnsupportedError."""
        check_prompt(prompt)
        served = self._served
        if served.way is None:
            raise UnsupportedError(served.lack)
        encoded = await self._encoded(prompt, text)
        if not encoded.ids:
            return TokenScores((), (), ())
        self._check_room(served.info.context, len(encoded.before) + len(encoded.ids))
        readings = await self._readings(served.info.model, served.way, encoded.before + encoded.ids)
        own = readings[len(encoded.before) - 1 :]
        surprisals = tuple(reading.surprisal for reading in own)
        return TokenScores(token_spans(encoded.offsets), surprisals, tuple(reading.rank for reading in own))

    async def load(self, source: str) -> ModelInfo:
        """Ask for another of the listed models from now on; running calls end on the one they began with."""
        contexts = await self._endpoint.models()
        if source not in contexts:
            names = ", ".join(sorted(contexts)) or "nothing that it would list"
            raise UnavailableError(f"{self._settings.place} has no model {source!r}; it serves {names}")
        self._served = await self._probed(source, contexts[source])
        return self.info

    async def adapt(self, source: str | None) -> ModelInfo:
        """Not this engine's: servers offer an adapter as a model of its own name, see `load`."""
        raise UnsupportedError(f"{_NOT_HERE}, which takes no adapter from here; load it by its name there")

    async def sleep(self) -> None:
        """Not this engine's."""
        raise UnsupportedError(f"{_NOT_HERE}, whose memory can't be given back from here")

    async def wake(self) -> None:
        """Not this engine's."""
        raise UnsupportedError(f"{_NOT_HERE}, which doesn't sleep")

    async def close(self) -> None:
        """End the running requests and the connections."""
        await self._endpoint.close()

    async def _calls(self, prompt: Prompt, sampling: Sampling) -> list[Call]:
        """One call a sample; FieldErrors come before the first is sent."""
        if self._settings.mode == "completions":
            return await self._completions(prompt, sampling)
        model, need = self.info.model, Usage(estimate(prompt), sampling.max_tokens)
        bodies = [chat_body(self._settings, model, prompt, sampling, index) for index in range(sampling.n)]
        return [Call("/chat/completions", model, "messages", body, need) for body in bodies]

    async def _completions(self, prompt: Prompt, sampling: Sampling) -> list[Call]:
        info, ids = self.info, (await self._encoded(prompt)).before
        room = (info.context or len(ids) + sampling.max_tokens) - len(ids)
        if room < 1:
            problem = f"make {len(ids)} tokens, which leaves no room in the model's {info.context}"
            raise FieldError("messages", problem, "shorten the messages or the prefix")
        limit = min(sampling.max_tokens, room)
        given = ids if self._settings.token_ids else await self._sent_text(prompt)
        bodies = [completion_body(info.model, given, sampling, index, limit) for index in range(sampling.n)]
        return [Call("/completions", info.model, "messages", body, Usage(len(ids), limit)) for body in bodies]

    async def _sampled(self, call: Call, sampling: Sampling, index: int) -> Sample:
        async def read(pieces: AsyncIterator[object], meter: Usage) -> Answer:
            return cut(await read_stream(pieces, call.need.tokens_in, meter), sampling.stop)

        answer = await self._endpoint.stream(call, read)
        usage = answer.usage
        return Sample(index, answer.text, usage.tokens_out, usage.tokens_in, answer.finished, answer.cached)

    async def _readings(self, model: str, way: Way, ids: Sequence[int]) -> list[Reading]:
        def read(choice: Mapping[str, object]) -> list[Reading]:
            if (readings := way.read(choice, ids)) is None:
                raise BrokenAnswerError("the answer holds no log-probs")
            return readings

        return await self._endpoint.post(_scoring(model, way, ids), read)

    def _check_room(self, context: int, length: int) -> None:
        """Servers want room for a token after the text, even where none is wanted."""
        if context and length > context - 1:
            problem = f"makes {length} tokens with its prompt, more than the {context - 1} that can be scored"
            raise FieldError("text", problem, "shorten it or take a model with a longer context")

    async def _probed(self, model: str, context: int) -> _Served:
        """Try the ways to tell log-probs on a short text."""
        way, lack = await self._way(model)
        info = _info(self._settings, model, self._tokenizer, context)
        return _Served(replace(info, scores=way is not None, limits=lack), way, lack)

    async def _way(self, model: str) -> tuple[Way | None, str]:
        place = self._settings.place
        if self._tokenizer is None:
            return None, "no log-probs: no tokenizer is configured, and the endpoint's can't be seen"
        if not self._settings.token_ids:
            return None, f"no log-probs: {place} takes no token ids, so its tokens can't be told apart"
        probe = await self._encoded(_PROBE, _PROBE_TEXT)
        for way in WAYS:
            readings = await self._tried(model, way, probe.before + probe.ids)
            if readings is None:
                continue
            if not same_pieces(readings[len(probe.before) - 1 :], self._tokenizer.pieces(probe.ids)):
                return None, f"no log-probs: the tokenizer's vocabulary isn't that of {model}"
            return way, "" if way.ranked else "no ranks: the endpoint tells log-probs only"
        return None, f"no log-probs: {place} tells none for a prompt"

    async def _tried(self, model: str, way: Way, ids: Sequence[int]) -> list[Reading] | None:
        """The readings, or None where the server refuses this way; sampling may need the same function."""
        try:
            choice = await self._endpoint.post(_scoring(model, way, ids), dict)
            return way.read(choice, ids)
        except (FieldError, BrokenAnswerError):
            return None
        except NoRouteError:
            if self._settings.mode == "completions":
                raise
            return None

    async def _encoded(self, prompt: Prompt, text: str = "") -> Encoded:
        """Long texts take seconds, so the loop goes on meanwhile; the tokenizer serves one at a time."""
        tokenizer, context = self._known_tokenizer(), self.info.context
        if context:
            tokenizer.check_size(prompt, text, context)
        async with self._encoding:
            return await asyncio.to_thread(tokenizer.encoded, prompt, text)

    async def _sent_text(self, prompt: Prompt) -> str:
        tokenizer = self._known_tokenizer()
        async with self._encoding:
            return await asyncio.to_thread(tokenizer.sent_text, prompt)

    def _known_tokenizer(self) -> FolderTokenizer:
        if self._tokenizer is None:
            raise FieldError("tokenizer", "is not given", "name a folder with the model's tokenizer")
        return self._tokenizer


def _scoring(model: str, way: Way, ids: Sequence[int]) -> Call:
    body = {"model": model, "prompt": list(ids), "temperature": 0, **way.fields}
    return Call("/completions", model, "text", body, Usage(len(ids), way.tokens_out))


async def _ended(tasks: Sequence[asyncio.Future[Sample]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _info(settings: OpenAISettings, model: str, tokenizer: FolderTokenizer | None, context: int) -> ModelInfo:
    parts = (settings.place, model, tokenizer.digest if tokenizer is not None else "")
    return ModelInfo(
        engine="openai",
        model=model,
        digest=hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest(),
        context=settings.context or context,
        scores=False,
        seeded=settings.seeded,
    )
