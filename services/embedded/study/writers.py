"""The oracles that a study's config names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from shared.ports import ArmWriter
from shared.study.table_reader import TableReader

KINDS = ("miniature", "openai", "transformers", "vllm")


@contextmanager
def opened_writers(oracles: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, ArmWriter]]:
    """Each oracle by its name; models and connections end with the context."""
    with ExitStack() as stack:
        yield {name: _opened(name, table, stack) for name, table in oracles.items()}


def threads_of(oracles: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many texts each oracle is asked for at the same time."""
    found = {}
    for name, table in oracles.items():
        reader = TableReader(table, f"oracles.{name}")
        found[name] = reader.whole("at_once", 1, least=1)
    return found


def _opened(name: str, table: Mapping[str, Any], stack: ExitStack) -> ArmWriter:
    reader = TableReader(table, f"oracles.{name}")
    kind = reader.text("kind", choices=KINDS)
    reader.whole("at_once", 1, least=1)
    if kind == "miniature":
        from services.embedded.miniature.oracle import MiniatureOracle

        words = reader.text("words")
        reader.finish()
        return MiniatureOracle(words)
    from services.embedded.study.model_writer import open_model_writer

    return stack.enter_context(open_model_writer(kind, reader))
