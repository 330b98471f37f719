"""The collector of benchmarks believes no script: it looks at the last line."""

import pytest

from bench.collect import last_line

GOOD = '{"name": "rate", "value": 2.5, "unit": "times", "bar": 2, "ok": true}'


def test_the_last_line_counts_whatever_comes_before() -> None:
    assert last_line("rate", f"warming up\n{GOOD}\n").value == 2.5


@pytest.mark.parametrize(
    "output",
    [
        "",
        "done",
        "[1, 2]",
        '{"name": "rate", "value": 2.5}',
        GOOD.replace("2.5", '"fast"'),
        GOOD.replace("true", '"yes"'),
        GOOD.replace("2.5", "null"),
        GOOD + "\nbye",
    ],
)
def test_a_malformed_last_line_is_a_failed_benchmark(output: str) -> None:
    assert not last_line("rate", output).ok


def test_a_figure_off_its_bar_stays_a_miss() -> None:
    assert not last_line("rate", GOOD.replace("true", "false")).ok


def test_a_benchmark_that_cannot_be_run_here_is_no_miss() -> None:
    said = GOOD.replace("2.5", "null").replace('"times"', '"not run: no such engine"')
    assert last_line("rate", said).ok
