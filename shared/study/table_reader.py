"""Reads tables of a TOML file strictly: every value has a kind and a range, and no name is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from shared.errors import FieldError

_MISSING: Any = object()


@dataclass(slots=True)
class TableReader:
    """One table; `path` is its dotted name, empty for the whole file. Each name is taken once."""

    values: Mapping[str, Any]
    path: str = ""
    _taken: set[str] = field(default_factory=set)

    def name(self, key: str) -> str:
        """Dotted name of an entry."""
        return f"{self.path}.{key}" if self.path else key

    def text(self, key: str, default: str = _MISSING, choices: Iterable[str] = ()) -> str:
        """A string, one of `choices` where there are any."""
        value = self._take(key, default)
        if not isinstance(value, str) or not value.strip():
            raise FieldError(self.name(key), f"is {value!r}", "give a string in quotes")
        if (known := tuple(choices)) and value not in known:
            raise FieldError(self.name(key), f"is {value!r}", f"use one of {', '.join(known)}")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string or None."""
        return self.text(key) if self.has(key) else None

    def whole(self, key: str, default: int = _MISSING, least: int = 0) -> int:
        """A whole number of at least `least`."""
        return self._whole(self.name(key), self._take(key, default), least)

    def optional_whole(self, key: str, least: int = 0) -> int | None:
        """A whole number or None."""
        return self.whole(key, least=least) if self.has(key) else None

    def number(self, key: str, default: float = _MISSING, least: float = 0.0, most: float = 1e12) -> float:
        """A number in ``[least, most]``."""
        return self._number(self.name(key), self._take(key, default), least, most)

    def truth(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise FieldError(self.name(key), f"is {value!r}", "write true or false")
        return value

    def wholes(self, key: str, default: tuple[int, ...] = _MISSING, least: int = 0) -> tuple[int, ...]:
        """Different whole numbers, at least one."""
        return self._many(key, default, lambda name, value: self._whole(name, value, least))

    def numbers(
        self, key: str, default: tuple[float, ...] = _MISSING, least: float = 0.0
    ) -> tuple[float, ...]:
        """Different numbers, at least one."""
        return self._many(key, default, lambda name, value: self._number(name, value, least, 1e12))

    def texts(
        self,
        key: str,
        default: tuple[str, ...] = _MISSING,
        choices: Iterable[str] = (),
        *,
        may_be_empty: bool = False,
    ) -> tuple[str, ...]:
        """Different strings, at least one unless the list `may_be_empty`."""
        known = tuple(choices)
        if may_be_empty and self.values.get(key) == []:
            return tuple(self._take(key, []))

        def one(name: str, value: Any) -> str:
            if not isinstance(value, str) or not value or (known and value not in known):
                cure = f"use one of {', '.join(known)}" if known else "give strings in quotes"
                raise FieldError(name, f"is {value!r}", cure)
            return value

        return self._many(key, default, one)

    def table(self, key: str) -> TableReader:
        """A table within this one; an absent one is empty."""
        value = self._take(key, {})
        if not isinstance(value, Mapping):
            raise FieldError(self.name(key), "is no table", f"write [{self.name(key)}] over its entries")
        return TableReader(value, self.name(key))

    def tables(self, key: str) -> list[TableReader]:
        """A list of tables, at least one."""
        value = self._take(key, _MISSING)
        if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
            raise FieldError(self.name(key), "is no list of tables", f"write [[{self.name(key)}]] over each")
        return [TableReader(one, f"{self.name(key)}[{place}]") for place, one in enumerate(value)]

    def named_tables(self, key: str) -> dict[str, TableReader]:
        """Tables by name within a table; an absent one holds none."""
        outer = self.table(key)
        return {name: outer.table(name) for name in outer.values}

    def has(self, key: str) -> bool:
        """Whether the entry is there."""
        return key in self.values

    def rest(self) -> dict[str, Any]:
        """The entries that nobody took; they count as taken from now on."""
        found = {key: value for key, value in self.values.items() if key not in self._taken}
        self._taken |= found.keys()
        return found

    def finish(self) -> None:
        """FieldError for an entry that nobody asked for."""
        for key in self.values:
            if key not in self._taken:
                known = ", ".join(sorted(self._taken))
                raise FieldError(self.name(key), "is unknown", f"remove it; known here: {known}")

    def _take(self, key: str, default: Any) -> Any:
        self._taken.add(key)
        if key in self.values:
            return self.values[key]
        if default is _MISSING:
            raise FieldError(self.name(key), "is missing", "give it; docs/study.md shows every entry")
        return default

    def _many(self, key: str, default: Any, one: Callable[[str, Any], Any]) -> tuple[Any, ...]:
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or not value:
            raise FieldError(self.name(key), f"is {value!r}", "give a list with at least one value")
        found = tuple(one(f"{self.name(key)}[{place}]", item) for place, item in enumerate(value))
        if len(set(found)) != len(found):
            raise FieldError(self.name(key), "holds a value twice", "give each value once")
        return found

    @staticmethod
    def _whole(name: str, value: Any, least: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise FieldError(name, f"is {value!r}", f"give a whole number of at least {least}")
        return value

    @staticmethod
    def _number(name: str, value: Any, least: float, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise FieldError(name, f"is {value!r}", "give a number")
        if not least <= value <= most:
            raise FieldError(name, f"is {value!r}", f"give a number from {least:g} to {most:g}")
        return float(value)


def _is_finite(value: float) -> bool:
    """Also for whole numbers that no float can hold."""
    try:
        return isfinite(value)
    except OverflowError:
        return False
