"""Results as Parquet hold what the lines hold, and are made group by group."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.embedded.refining import Order, refine
from services.pipeline.export.columns import columns_of, record_of
from services.pipeline.export.parquet import ROWS_A_GROUP, parquet
from services.pipeline.export.running import run
from shared.errors import IntegrityError
from shared.jobs.desk import JobDesk
from shared.jobs.errands import ERRANDS, Errand, ask, failure
from shared.jobs.ids import new_id
from shared.jobs.intake import accept
from shared.jobs.layout import JobKey, ShardId
from shared.jobs.order import Fate, JobEnd, JobOrder, JobState, Operation, ShardOutcome
from shared.store.memory import MemoryStore

DEMO = Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl"
EXAMPLES = {
    Operation.VERIFY: {"id": "1", "line": 1, "value": "undecided", "reason": "no_gold", "answer": None},
    Operation.SCORE: {
        "id": "1",
        "line": 1,
        "student": "mine@0",
        "scorer": "proxy:ngram",
        "label": "proxy",
        "nll": 9.1,
        "tokens": 7,
        "ppl": None,
        "quarters": [1.5, None],
        "rsr": 1.0,
        "steps": [{"index": 0, "nll": 9.1, "tokens": 7}],
        "cost": 0.25,
        "token_scores": [[0, 1, 2.5, 3]],
        "outcome": "kept",
        "drift": 0.0,
        "native": {"nll": 9.1},
    },
    Operation.ROLL_OUT: {
        "id": "1",
        "line": 1,
        "problem": "6 * 7 = ?",
        "gold": "42",
        "samples": [{"text": "42 ü \u2028", "tokens": 3, "finished": True, "value": "correct"}],
    },
    Operation.EVALUATE: {
        "id": "1",
        "line": 1,
        "problem": "6 * 7 = ?",
        "gold": "42",
        "samples": [{"text": "42", "tokens": 3, "finished": True, "value": "correct"}],
        "groups": {"level": "1"},
    },
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Real records."""
    folder = tmp_path_factory.mktemp("records")
    refine(Order(DEMO, folder / "out.jsonl", scorer="none", limit=40))
    return (folder / "out.jsonl").read_bytes().splitlines()


def read(pieces: Iterator[bytes], operation: Operation) -> list[dict[str, object]]:
    table = pq.read_table(io.BytesIO(b"".join(pieces)))
    return [record_of(row, columns_of(operation)) for row in table.to_pylist()]


def ended_job(desk: JobDesk, lines: list[bytes], operation: Operation = Operation.REFINE) -> JobOrder:
    order = JobOrder(JobKey("acme", new_id("job")), operation, {}, {}, len(lines), 1, 0.0, len(lines))
    assert accept(desk.store, order)
    rows = b"".join(b"%d\t%s\n" % (number, line) for number, line in enumerate(lines, 1))
    desk.store.put(order.key.shard(ShardId(0), "results.1"), rows)
    desk.decide(order, ShardId(0), ShardOutcome(Fate.COMMIT, "1", {}))
    desk.finish(order, JobEnd(JobState.COMPLETED, 0.0, {}))
    return order


def test_real_records_come_back_as_they_were(records: list[bytes]) -> None:
    told = [json.loads(line) for line in records]
    found = read(parquet(records, columns_of(Operation.REFINE)), Operation.REFINE)
    assert [{name: one[name] for name in asked} for one, asked in zip(found, told, strict=True)] == told


@pytest.mark.parametrize("operation", EXAMPLES)
def test_lines_of_other_operations_come_back_as_they_were(operation: Operation) -> None:
    record = EXAMPLES[operation]
    assert read(parquet([json.dumps(record).encode()], columns_of(operation)), operation) == [record]


def test_no_records_make_a_file_with_its_columns() -> None:
    table = pq.read_table(io.BytesIO(b"".join(parquet([], columns_of(Operation.VERIFY)))))
    assert (table.num_rows, table.column_names) == (0, [*columns_of(Operation.VERIFY)])


def test_only_one_group_is_read_ahead() -> None:
    read_so_far = 0

    def lines() -> Iterator[bytes]:
        nonlocal read_so_far
        for _ in range(100 * ROWS_A_GROUP):
            read_so_far += 1
            yield b'{"line": 1}'

    next(parquet(lines(), columns_of(Operation.VERIFY)))
    assert read_so_far == ROWS_A_GROUP


def test_long_lines_make_smaller_groups() -> None:
    line = json.dumps({"answer": "x" * (1 << 20)}).encode()
    made = b"".join(parquet([line] * 40, columns_of(Operation.VERIFY)))
    assert pq.ParquetFile(io.BytesIO(made)).num_row_groups == 3


@pytest.mark.parametrize("line", [b'{"colour": 1}', b'{"line": "one"}'])
def test_a_record_that_has_no_place_is_not_left_out_unsaid(line: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"no column|does not fit"):
        list(parquet([line], columns_of(Operation.VERIFY)))


def test_an_errand_writes_the_file_of_a_job(records: list[bytes]) -> None:
    desk = JobDesk(MemoryStore())
    order = ended_job(desk, records)
    ask(desk.store, order.key, Errand.PARQUET)
    run(desk, order.key, Errand.PARQUET)
    table = pq.read_table(io.BytesIO(desk.store.get(order.key.parquet)))
    assert (table.column("line").to_pylist(), desk.store.list(ERRANDS)) == ([*range(1, len(records) + 1)], [])


def test_an_errand_that_cant_be_done_says_why() -> None:
    desk = JobDesk(MemoryStore())
    order = ended_job(desk, [b'{"colour": 1}'])
    ask(desk.store, order.key, Errand.PARQUET)
    run(desk, order.key, Errand.PARQUET)
    assert "colour" in (failure(desk.store, order.key, Errand.PARQUET) or "")
    assert desk.store.list(ERRANDS) == []


def test_an_errand_of_a_deleted_job_leaves_nothing() -> None:
    desk = JobDesk(MemoryStore())
    order = ended_job(desk, [b'{"line": 1}'])
    ask(desk.store, order.key, Errand.PARQUET)
    desk.remove(order)
    run(desk, order.key, Errand.PARQUET)
    assert (desk.store.list(ERRANDS), desk.store.list(order.key.folder)) == ([], [])
