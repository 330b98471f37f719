"""Where everything of a job stands in the store.

```
live/TENANT/JOB                          a job that is accepted and not yet done (one small object each)
incoming/TENANT/JOB                      a job that is taken in and not yet accepted; when it last grew
webhooks/TENANT/JOB                      a job whose webhook is still to be told that it is done
t/TENANT/jobs/JOB/job                    the order, written last: from then on the job is accepted
t/TENANT/jobs/JOB/input/NNNNNN           lines of root shard N, as they came
t/TENANT/jobs/JOB/prepared               profile and engines that the job is bound to, once
t/TENANT/jobs/JOB/shards/S/outcome       commit | split | cancelled, once
t/TENANT/jobs/JOB/shards/S/attempts/A    one small object an attempt
t/TENANT/jobs/JOB/shards/S/log/A         run log: attempts, times and spending; rewritten until it ends
t/TENANT/jobs/JOB/shards/S/segments/N.A  progress of an attempt
t/TENANT/jobs/JOB/shards/S/results.A     records of the attempt that may become the outcome
t/TENANT/jobs/JOB/shards/S/errors.A      lines without a record, and why
t/TENANT/jobs/JOB/cancelled              asked for once
t/TENANT/jobs/JOB/budget/N               how the budget stands after its N-th change, each written once
t/TENANT/jobs/JOB/exhausted              the budget is used up, once
t/TENANT/jobs/JOB/done                   how it ended, once
t/TENANT/jobs/JOB/results.parquet        all records as Parquet, once, where somebody asked for it
t/TENANT/jobs/JOB/rows.jsonl             training rows made of its results, once, where somebody trained on it
t/TENANT/jobs/JOB/tally                  what its first root shards came to; a hint, rewritten now and then
t/TENANT/jobs/JOB/progress               why it stands still; a hint, rewritten now and then
t/TENANT/newest/jobs/REVERSED            list of jobs, newest first: its id turned round (a hint)
t/TENANT/deleted/JOB                     the job was there and was deleted; it never comes back
t/TENANT/files/FILE/meta, /content       uploads
live-batches/TENANT/BATCH                a batch about which something is left to do
```

A root shard is called by its number, ``000012``; a part of it by the lines that it holds within the root,
``000012-64-128`` (half-open).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.errors import IntegrityError
from shared.jobs.ids import turned

_PART = re.compile(r"(\d{6,})(?:-(\d+)-(\d+))?")
LIVE = "live/"
WEBHOOKS = "webhooks/"
INCOMING = "incoming/"
LIVE_BATCHES = "live-batches/"
_MOST_PARTS = 16


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """Names a job within the store: whose it is, and its id."""

    tenant: str
    job: str

    @property
    def folder(self) -> str:
        """Where everything of the job stands; ends with a slash."""
        return f"t/{self.tenant}/jobs/{self.job}/"

    @property
    def live(self) -> str:
        """The object that says that the job is not done yet."""
        return f"{LIVE}{self.tenant}/{self.job}"

    @property
    def incoming(self) -> str:
        """The object that says that it is being taken in."""
        return f"{INCOMING}{self.tenant}/{self.job}"

    @property
    def order(self) -> str:
        """The order itself."""
        return f"{self.folder}job"

    @property
    def webhook(self) -> str:
        """The object that says that its webhook is still to be told."""
        return f"{WEBHOOKS}{self.tenant}/{self.job}"

    @property
    def prepared(self) -> str:
        """Profile and engines that every shard must find."""
        return f"{self.folder}prepared"

    @property
    def cancelled(self) -> str:
        """The wish to end it early."""
        return f"{self.folder}cancelled"

    @property
    def budget(self) -> str:
        """Folder of what is spent of the budget; ends with a slash."""
        return f"{self.folder}budget/"

    @property
    def exhausted(self) -> str:
        """Says that the budget is used up."""
        return f"{self.folder}exhausted"

    @property
    def done(self) -> str:
        """How it ended."""
        return f"{self.folder}done"

    @property
    def newest(self) -> str:
        """Its place in the list of jobs, newest first."""
        return f"t/{self.tenant}/newest/jobs/{turned(self.job)}"

    @property
    def deleted(self) -> str:
        """The trace that it leaves when it is deleted."""
        return f"t/{self.tenant}/deleted/{self.job}"

    @property
    def progress(self) -> str:
        """The hint why it stands still."""
        return f"{self.folder}progress"

    @property
    def tally(self) -> str:
        """What its first root shards came to."""
        return f"{self.folder}tally"

    @property
    def shards(self) -> str:
        """Folder of what its shards hold; ends with a slash."""
        return f"{self.folder}shards/"

    @property
    def parquet(self) -> str:
        """All its records as Parquet."""
        return f"{self.folder}results.parquet"

    def rows(self, most_cost: float | None = None) -> str:
        """Training rows made of its results, or of those that cost at most so much."""
        return f"{self.folder}rows{'' if most_cost is None else f'-within-{most_cost!r}'}.jsonl"

    def input(self, root: int) -> str:
        """Lines of a root shard."""
        return f"{self.folder}input/{root:06d}"

    def shard(self, shard: ShardId, part: str) -> str:
        """An object of a shard: ``outcome``, ``results.A``, ..."""
        return f"{self.shards}{shard}/{part}"

    @classmethod
    def of_live(cls, key: str) -> JobKey:
        """The job that a live object speaks of."""
        _, tenant, job = key.split("/")
        return cls(tenant, job)


@dataclass(frozen=True, slots=True, order=True)
class ShardId:
    """Names a shard within its job: lines ``[start, stop)`` of root shard `root`; both None: all of them."""

    root: int
    start: int | None = None
    stop: int | None = None

    def __str__(self) -> str:
        whole = f"{self.root:06d}"
        return whole if self.start is None else f"{whole}-{self.start}-{self.stop}"

    @classmethod
    def parse(cls, text: str) -> ShardId:
        """The shard of that name. IntegrityError where it is none."""
        found = _PART.fullmatch(text)
        if found is None:
            raise IntegrityError(f"{text!r} names no shard")
        root, start, stop = found.groups()
        return cls(int(root)) if start is None else cls(int(root), int(start), int(stop))

    def span(self, lines: int) -> tuple[int, int]:
        """Its lines within the root, which holds `lines` of them."""
        return (self.start or 0, lines if self.stop is None else self.stop)

    def parts(self, lines: int) -> tuple[ShardId, ...]:
        """The shards, at most 16, that it is split into; it must hold at least two lines."""
        start, stop = self.span(lines)
        if stop - start < 2:
            raise IntegrityError(f"shard {self} holds one line and can't be split")
        step = -(-(stop - start) // _MOST_PARTS)
        return tuple(ShardId(self.root, at, min(at + step, stop)) for at in range(start, stop, step))

    def lineage(self, lines: int) -> Iterator[ShardId]:
        """The root, and every part of a part down to this one."""
        shard, wanted = ShardId(self.root), self.span(lines)
        yield shard
        while shard != self:
            shard = next(part for part in shard.parts(lines) if _within(wanted, part.span(lines)))
            yield shard


def _within(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]
