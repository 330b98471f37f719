"""Which tests run: those marked `long` only where they are asked for."""

from __future__ import annotations

import os

import pytest

_ASKED = ("IDIOLECT_TEST_LONG", "IDIOLECT_TEST_KILL")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the long ones, and say what runs them."""
    if any(os.environ.get(name) == "1" for name in _ASKED):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes long: make test-long"))
