"""Multipart forms for uploads: the file streams through, the few other fields are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.gateway.errors import HttpError
from shared.errors import FieldError

_LONGEST_FIELD = 4096
_MOST_FIELDS = 32


class Form:
    """A form with one file; read `content` to its end, then `fields` and `filename` are complete."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            text = "Content-Type: an upload is a form; send multipart/form-data with purpose and file"
            raise HttpError(415, text, "unsupported_media_type", param="Content-Type")
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self._name = ""
        self._is_file = False
        self._header = [b"", b""]
        self._value = b""
        self._found: list[bytes] = []
        self._ended = False
        self._parser = self._made(options[b"boundary"])

    def _made(self, boundary: bytes) -> MultipartParser:
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._choose,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._form_end,
        }
        try:
            return MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise _broken(str(error)) from None

    def content(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Content of the part ``file``. FieldError where the form is broken or holds no file."""
        for chunk in chunks:
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise _broken(str(error)) from None
            found, self._found = self._found, []
            yield from found
        if not self._ended:
            raise _broken("it ends early")
        if self.filename is None:
            raise FieldError("file", "is missing", "send it as the part 'file' of the form")

    def _begin(self) -> None:
        self._disposition = b""
        self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [b"", b""]

    def _choose(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == "file"
        if not self._is_file:
            return
        if self.filename is not None:
            raise FieldError("file", "stands twice in the form", "upload one file at a time")
        self.filename = options.get(b"filename", b"upload").decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._found.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _LONGEST_FIELD:
            raise FieldError(self._name[:80], f"is longer than {_LONGEST_FIELD} bytes", "shorten it")

    def _part_end(self) -> None:
        if self._is_file:
            return
        if len(self.fields) == _MOST_FIELDS:
            raise FieldError("form", f"holds more than {_MOST_FIELDS} fields", "leave some out")
        self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _form_end(self) -> None:
        self._ended = True


def _broken(problem: str) -> FieldError:
    return FieldError(
        "body", f"is no valid form ({problem})", "send multipart/form-data with purpose and file"
    )
