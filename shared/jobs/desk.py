"""The desk where everybody looks up what a job is and how far it is; reads and writes the store only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from shared.errors import FieldError, IntegrityError, NotFoundError
from shared.jobs.attempted import Attempted
from shared.jobs.errands import Errand, ask
from shared.jobs.ids import turned, turned_back
from shared.jobs.layout import LIVE, JobKey, ShardId
from shared.jobs.order import Fate, JobEnd, JobOrder, JobState, Prepared, Progress, ShardOutcome, summed
from shared.jobs.tally import Tally
from shared.store.base import Store, every_key

# Outcomes are immutable, so they may be remembered for as long as there is room.
_REMEMBERED = 100_000


@dataclass
class JobDesk:
    """Jobs in one store; safe to use from several threads as the store is."""

    store: Store
    _outcomes: OrderedDict[str, ShardOutcome] = field(default_factory=OrderedDict)

    def order(self, key: JobKey) -> JobOrder:
        """The order of a job. NotFoundError where there is no such job."""
        try:
            return JobOrder.from_bytes(self.store.get(key.order))
        except NotFoundError:
            raise NotFoundError(f"job {key.job}: there is no such job; it may have been deleted") from None

    def live(self, limit: int = 1000, after: str = "") -> list[JobKey]:
        """Jobs that are not known to be done, by tenant and age."""
        keys = self.store.list(LIVE, after, limit)
        return [JobKey.of_live(key) for key in keys]

    def prepared(self, order: JobOrder) -> Prepared | None:
        """What the job is bound to; None before it is prepared."""
        try:
            return Prepared.from_bytes(self.store.get(order.key.prepared))
        except NotFoundError:
            return None

    def prepare(self, order: JobOrder, prepared: Prepared) -> bool:
        """Bind the job; False where it is bound already, and then that holds."""
        return self.store.put_if_absent(order.key.prepared, prepared.to_bytes())

    def outcome(self, order: JobOrder, shard: ShardId) -> ShardOutcome | None:
        """How a shard ended; None while it is open."""
        key = order.key.shard(shard, "outcome")
        known = self._outcomes.get(key)
        if known is not None:
            return known
        try:
            found = ShardOutcome.from_bytes(self.store.get(key))
        except NotFoundError:
            return None
        self._outcomes[key] = found
        while len(self._outcomes) > _REMEMBERED:
            self._outcomes.popitem(last=False)
        return found

    def decide(self, order: JobOrder, shard: ShardId, outcome: ShardOutcome) -> bool:
        """Decide a shard; False where it was decided before, and then that one holds."""
        return self.store.put_if_absent(order.key.shard(shard, "outcome"), outcome.to_bytes())

    def leaves(
        self, order: JobOrder, root: int, decided: Container[ShardId] | None = None
    ) -> Iterator[tuple[ShardId, ShardOutcome | None]]:
        """The shards that a root consists of now, in the order of their lines, with their outcomes.

        `decided`: those that have one, where that is known; of others it isn't looked for then.
        """
        waiting = [ShardId(root)]
        while waiting:
            shard = waiting.pop()
            outcome = self.outcome(order, shard) if decided is None or shard in decided else None
            if outcome is not None and outcome.fate is Fate.SPLIT:
                waiting += reversed(outcome.parts)
            else:
                yield shard, outcome

    def open_shards(self, order: JobOrder, first: int = 0) -> Iterator[ShardId]:
        """Shards that are not decided, from root `first` on."""
        for root in range(first, order.shards):
            for shard, outcome in self.leaves(order, root):
                if outcome is None:
                    yield shard

    def tally(self, order: JobOrder) -> Tally:
        """What the first roots came to, as far as somebody has told it."""
        try:
            return Tally.from_bytes(self.store.get(order.key.tally))
        except NotFoundError:
            return Tally()

    def tell_tally(self, order: JobOrder, tally: Tally) -> None:
        """Spare others the reading of these roots."""
        self.store.put(order.key.tally, tally.to_bytes())
        # The job may have ended and been deleted meanwhile.
        self.clear(order.key)

    def advanced(self, order: JobOrder, tally: Tally) -> Tally:
        """The tally with all roots behind it up to the first that is not decided whole."""
        for root in range(tally.roots, order.shards):
            leaves = [outcome for _, outcome in self.leaves(order, root)]
            decided = [outcome for outcome in leaves if outcome is not None]
            if len(decided) < len(leaves):
                break
            tally = tally.further(decided)
        return tally

    def progress(self, order: JobOrder) -> Progress:
        """How far a job is: its tally, and what is decided behind it; reads nothing of what waits.

        Root shards are found by their names, which come in their order up to a million of them.
        """
        tally = self.tally(order)
        ended = self._decided(order, tally.roots)
        roots = sorted({shard.root for shard in ended})
        leaves = [outcome for root in roots for _, outcome in self.leaves(order, root, ended)]
        decided = [outcome for outcome in leaves if outcome is not None]
        counts = summed([tally.counts, *(outcome.counts for outcome in decided)])
        waiting = order.shards - tally.roots - len(roots)
        return Progress(tally.shards + len(decided), waiting + len(leaves) - len(decided), counts)

    def _decided(self, order: JobOrder, first: int) -> set[ShardId]:
        """Shards with an outcome, from root `first` on."""
        folder = order.key.shards
        keys = every_key(self.store, folder, after=f"{folder}{ShardId(first)}")
        named = (key.removeprefix(folder).split("/") for key in keys)
        return {ShardId.parse(shard) for shard, *part in named if part == ["outcome"]}

    def cancel(self, order: JobOrder) -> bool:
        """Ask for an early end; False where the job has ended already."""
        if self.end(order.key) is not None:
            return False
        self.store.put_if_absent(order.key.cancelled, b"")
        return True

    def is_cancelled(self, key: JobKey) -> bool:
        """Whether somebody asked for an early end."""
        return self.store.exists(key.cancelled)

    def exhaust(self, order: JobOrder) -> None:
        """Say that the budget is used up: nothing more is begun."""
        self.store.put_if_absent(order.key.exhausted, b"")

    def is_exhausted(self, order: JobOrder) -> bool:
        """Whether the job has a budget that is used up."""
        return order.budget is not None and self.store.exists(order.key.exhausted)

    def run_log(self, order: JobOrder) -> Iterator[Attempted]:
        """Every attempt at every shard, with its times and its spending."""
        for key in every_key(self.store, order.key.shards):
            if key.split("/")[-2] == "log":
                yield Attempted.from_bytes(self.store.get(key))

    def finish(self, order: JobOrder, end: JobEnd) -> bool:
        """Say how a job ended, once; False where somebody said so before."""
        if not self.store.exists(order.key.done):
            self._ask_for_more(order)
        won = self.store.put_if_absent(order.key.done, end.to_bytes())
        self.store.delete(order.key.live)
        return won

    def _ask_for_more(self, order: JobOrder) -> None:
        """What is to be done about a job that has ended; asked for before, so that it can't be forgotten."""
        if order.output is not None:
            ask(self.store, order.key, Errand.OUTPUT)
        if order.webhook is not None:
            self.store.put(order.key.webhook, b"")

    def end(self, key: JobKey) -> JobEnd | None:
        """How a job ended; None before."""
        try:
            return JobEnd.from_bytes(self.store.get(key.done))
        except NotFoundError:
            return None

    def remove(self, order: JobOrder) -> None:
        """Delete a job that has ended, with all that it holds; FieldError where it has not."""
        if self.end(order.key) is None:
            raise FieldError("job", f"{order.key.job} has not ended", "cancel it and wait for its end")
        self.store.put(order.key.deleted, b"")
        self.store.delete(order.key.order)
        self.store.delete_all(order.key.folder)
        # Last, so that whoever is killed on the way leaves it to be found.
        self.store.delete(order.key.newest)

    def page(self, tenant: str, after: str, limit: int) -> list[JobKey]:
        """Jobs of a tenant, newest first, older than the job of the id `after`; some may be gone."""
        folder = JobKey(tenant, after).newest.rpartition("/")[0] + "/"
        keys = self.store.list(folder, folder + turned(after), limit)
        return [JobKey(tenant, turned_back("job", key.removeprefix(folder))) for key in keys]

    def clear(self, key: JobKey) -> None:
        """Remove what is left of a job that was deleted."""
        if self.store.exists(key.deleted) and not self.store.exists(key.order):
            self.store.delete_all(key.folder)
            self.store.delete(key.newest)

    def state(self, order: JobOrder) -> JobState:
        """Where a job stands."""
        end = self.end(order.key)
        if end is not None:
            return end.state
        if self.is_cancelled(order.key):
            return JobState.CANCELLING
        started = self.store.list(order.key.shards, "", 1)
        return JobState.RUNNING if started else JobState.QUEUED

    def results(self, order: JobOrder, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """(line, record) of the finished prefix in input order, from the line behind `after` on."""
        yield from self._lines(order, "results", after)

    def errors(self, order: JobOrder, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """(line, reason) of the lines of the finished prefix that have no record, in input order."""
        yield from self._lines(order, "errors", after)

    def _lines(self, order: JobOrder, part: str, after: int) -> Iterator[tuple[int, bytes]]:
        for root in range(min(after // order.lines_a_shard, order.shards), order.shards):
            for shard, outcome in self.leaves(order, root):
                if outcome is None:
                    return
                if outcome.attempt is not None:
                    yield from self._of_shard(order, shard, f"{part}.{outcome.attempt}", after)

    def _of_shard(
        self, order: JobOrder, shard: ShardId, name: str, after: int
    ) -> Iterator[tuple[int, bytes]]:
        """Lines ``NUMBER<TAB>JSON`` of one object, those behind `after`."""
        for row in split_lines(self.store.stream(order.key.shard(shard, name))):
            number, tab, line = row.partition(b"\t")
            if not tab or not number.isdigit():
                raise IntegrityError(f"{name} of shard {shard} of job {order.key.job} holds a broken line")
            if int(number) > after:
                yield int(number), line


def split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines, with their line breaks, of a stream of chunks."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest
