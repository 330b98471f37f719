"""The model and all that is under way on it; lives in one thread, which calls `turn` again and again."""

from __future__ import annotations

import gc
from collections import deque
from dataclasses import replace
from pathlib import Path

from services.inference.checkpoint import THREADS, Checkpoint, load_checkpoint
from services.inference.transformers.adapters import attach, detach
from services.inference.transformers.losses import check_head
from services.inference.transformers.orders import Command, Order, SampleOrder, ScoreOrder
from services.inference.transformers.pasts import check_memory
from services.inference.transformers.rows import Job
from services.inference.transformers.sampler import FAULTS, Room, Sampler
from services.inference.transformers.scoring import ScoreItem, Tally, prepare, score_window, windows
from shared.domain import EngineFigures, ModelInfo, TokenScores
from shared.errors import FieldError, IdiolectError, UnavailableError

NO_SCHEMAS = "does not enforce JSON schemas"
# Texts that are laid out for scoring at a time; those that come later wait for the next time.
TEXTS = 1024


class Desk:
    """Takes orders in turn; a command waits until the desk is clear, and all that follows waits for it."""

    def __init__(self, checkpoint: Checkpoint, room: Room | None = None, threads: int = THREADS) -> None:
        """Serve a loaded model, others later on its device. Raises UnavailableError for an unfit one."""
        self._device, self._threads, self._room = checkpoint.device, threads, room or Room()
        self._arrived: deque[Order] = deque()
        self._texts: deque[tuple[ScoreOrder, ScoreItem]] = deque()
        self._windows: deque[list[tuple[ScoreOrder, ScoreItem]]] = deque()
        self._tally = Tally()
        self._past_figures = EngineFigures(cache_queries=0, cache_hits=0)
        self._asleep = False
        self._adapter: str | None = None
        self._adapters = 0
        self._take_up(self._fit(checkpoint))

    @property
    def clear(self) -> bool:
        """Whether nothing is under way."""
        return not (self._sampler.busy or self._texts or self._windows)

    @property
    def idle(self) -> bool:
        """Whether a turn would do nothing."""
        return self.clear and not self._arrived

    @property
    def figures(self) -> EngineFigures:
        """What is under way now, and what was shared since the start."""
        before, sampler, tally = self._past_figures, self._sampler, self._tally
        texts = len(self._texts) + sum(map(len, tuple(self._windows))) + len(self._arrived)
        return EngineFigures(
            running=sampler.running,
            waiting=sampler.waiting + texts,
            peak_running=max(before.peak_running, sampler.peak),
            cache_queries=(before.cache_queries or 0) + sampler.queries + tally.queries,
            cache_hits=(before.cache_hits or 0) + sampler.hits + tally.hits,
        )

    def take(self, order: Order) -> None:
        """Accept an order; it begins in a later turn."""
        self._arrived.append(order)

    def turn(self) -> None:
        """Begin what can begin, score one window of texts, and go one step on with all rows."""
        self._begin()
        if not self._windows and self._texts:
            self._lay_out()
        if self._windows:
            self._score(self._windows.popleft())
        if self._sampler.busy:
            self._sampler.turn()

    def give_up(self, error: Exception) -> None:
        """Fail everything that is under way or waits."""
        self._sampler.give_up(error)
        waiting = [
            order for order, _ in [*self._texts, *(pair for window in self._windows for pair in window)]
        ]
        self._texts.clear()
        self._windows.clear()
        for order in [*waiting, *self._arrived]:
            if isinstance(order, SampleOrder | ScoreOrder | Command):
                order.failed(error)
        self._arrived.clear()

    def load(self, source: str) -> ModelInfo:
        """Serve another model; the old one stays where that fails. Both are in memory for a moment."""
        self._need_awake()
        fresh = load_checkpoint(source, device=self._device, threads=self._threads)
        self._take_up(self._fit(fresh))
        return self.info

    def adapt(self, source: str | None) -> ModelInfo:
        """Serve with an adapter, or bare; what was served stays where that fails."""
        self._need_awake()
        old, new = f"adapter{self._adapters}", f"adapter{self._adapters + 1}"
        served = self._bare if source is None else attach(self._bare, Path(source), new)
        detach(self._bare, old)
        self._adapters += source is not None
        self._adapter = None if source is None else Path(source).resolve().name
        self._serve(served)
        return self.info

    def sleep(self) -> None:
        """Move the weights off the accelerator and forget all keys and values."""
        self._asleep = True
        self._move("cpu")
        self._renew()

    def wake(self) -> None:
        """Move the weights back."""
        self._move(self._served.device)
        self._asleep = False

    def _fit(self, checkpoint: Checkpoint) -> Checkpoint:
        check_memory(checkpoint)
        return replace(checkpoint, context=min(checkpoint.context, self._room.tokens))

    def _take_up(self, checkpoint: Checkpoint) -> None:
        self._bare, self._adapter = checkpoint, None
        self._unscored = _scoring_fault(checkpoint)
        self._serve(checkpoint)

    def _serve(self, checkpoint: Checkpoint) -> None:
        self._served = checkpoint
        self._renew()
        limits = "; ".join(filter(None, (NO_SCHEMAS, self._unscored)))
        self.info = ModelInfo(
            "transformers",
            checkpoint.name,
            checkpoint.digest,
            checkpoint.context,
            scores=not self._unscored,
            adapter=self._adapter,
            limits=limits,
        )

    def _renew(self) -> None:
        """A sampler without a past; its counts go on."""
        if hasattr(self, "_sampler"):
            self._past_figures, self._tally = replace(self.figures, running=0, waiting=0), Tally()
        self._sampler = Sampler(self._served, self._room)

    def _move(self, device: str) -> None:
        import torch

        self._served.model.to(device)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _need_awake(self) -> None:
        if self._asleep:
            raise UnavailableError("the model sleeps; wake it first")

    def _begin(self) -> None:
        while self._arrived:
            order = self._arrived[0]
            if isinstance(order, Command) and not self.clear:
                return
            self._arrived.popleft()
            if isinstance(order, SampleOrder | ScoreOrder | Command):
                self._attempt(order)

    def _attempt(self, order: SampleOrder | ScoreOrder | Command) -> None:
        """Begin one order; what is wrong with it is told to it alone."""
        try:
            if isinstance(order, Command):
                order.done(order.run(self))
            elif not order.cancelled:
                self._need_awake()
                self._begin_samples(order) if isinstance(order, SampleOrder) else self._begin_score(order)
        except IdiolectError as error:
            order.failed(error)
        except (*FAULTS, OSError) as error:
            order.failed(UnavailableError(f"the model failed on this call ({type(error).__name__}: {error})"))

    def _begin_samples(self, order: SampleOrder) -> None:
        conversation, prefix = self._served.ids(order.prompt)
        prompt = conversation + prefix
        if len(prompt) < 2:
            raise FieldError("messages", "makes a single token", "give a longer problem")
        limit = min(order.sampling.max_tokens, self._served.context - len(prompt))
        job = Job(prompt, prefix, order.sampling, limit, order.done, order.failed)
        order.job = job
        job.cancelled = order.cancelled
        self._sampler.add(job)

    def _begin_score(self, order: ScoreOrder) -> None:
        if self._unscored:
            raise UnavailableError(self._unscored)
        conversation, prefix = self._served.ids(order.prompt)
        item = prepare(self._served, conversation + prefix, order.text)
        if item.spans:
            self._texts.append((order, item))
        else:
            order.done(TokenScores((), (), ()))

    def _lay_out(self) -> None:
        """Texts that wait become windows, so that those which begin alike are scored together."""
        taken = [self._texts.popleft() for _ in range(min(TEXTS, len(self._texts)))]
        pairs = [pair for pair in taken if not pair[0].cancelled]
        for places in windows([item for _, item in pairs]):
            self._windows.append([pairs[place] for place in places])

    def _score(self, window: list[tuple[ScoreOrder, ScoreItem]]) -> None:
        """Score texts together, or one by one where together it goes wrong."""
        window = [pair for pair in window if not pair[0].cancelled]
        try:
            scores = score_window(self._served, [item for _, item in window], self._tally)
        except FAULTS as error:
            if len(window) == 1:
                text = f"the model failed on this text ({type(error).__name__}: {error})"
                window[0][0].failed(UnavailableError(text))
            else:
                self._windows.extendleft([pair] for pair in reversed(window))
            return
        for (order, _), found in zip(window, scores, strict=True):
            order.done(found)


def _scoring_fault(checkpoint: Checkpoint) -> str:
    """Why the model can't score, empty where it can."""
    try:
        check_head(checkpoint)
    except UnavailableError as error:
        return str(error)
    return ""
