"""An object sent in parts: nothing of it is seen until it is completed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

from shared.errors import BudgetError, StoreError, UnavailableError
from shared.store.base import Payload, pieces
from shared.store.s3_client import S3Client, S3RefusedError
from shared.store.settlement import WRITER

PART_BYTES = 8 << 20
MOST_PARTS = 10_000


class Upload:
    """One upload; leaving it as a context without having completed it gives up what was sent."""

    def __init__(self, client: S3Client, bucket: str, name: str, upload_id: str, writer: str) -> None:
        self.name = name
        self.writer = writer
        self._client = client
        self._place = {"Bucket": bucket, "Key": name, "UploadId": upload_id}
        self._sent: list[dict[str, Any]] = []
        self._completed = False

    @classmethod
    def begun(cls, client: S3Client, bucket: str, name: str) -> Upload:
        """Begin an upload, marked with a writer of its own."""
        writer = uuid.uuid4().hex
        try:
            answer = client.call(
                "create_multipart_upload", Bucket=bucket, Key=name, Metadata={WRITER: writer}
            )
        except S3RefusedError as refusal:
            raise StoreError(f"{name} in {bucket}: {refusal}") from refusal
        return cls(client, bucket, name, answer["UploadId"], writer)

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._completed:
            # What can't be given up now is found by the collector of orphans.
            with suppress(UnavailableError):
                self.abort()

    def send_all(self, parts: Iterable[bytes]) -> None:
        """Send all parts. BudgetError where they are more than a server takes."""
        for part in parts:
            self._send(part)
            # While the next part is gathered, this one need not stay in memory.
            del part

    def complete(self, **condition: str) -> None:
        """Make the object be there. S3RefusedError where the condition fails or the upload is gone."""
        self._client.call(
            "complete_multipart_upload", **self._place, MultipartUpload={"Parts": self._sent}, **condition
        )
        self._completed = True

    def abort(self) -> None:
        """Give up what was sent."""
        # It is gone already where another has given it up, or where a completion went through unheard.
        with suppress(S3RefusedError):
            self._client.call("abort_multipart_upload", **self._place)

    def _send(self, part: bytes) -> None:
        number = len(self._sent) + 1
        if number > MOST_PARTS:
            most = MOST_PARTS * PART_BYTES
            raise BudgetError(f"{self.name} has more than {most} bytes; cut it into several objects")
        try:
            answer = self._client.call("upload_part", **self._place, PartNumber=number, Body=part)
        except S3RefusedError as refusal:
            raise StoreError(f"part {number} of {self.name}: {refusal}") from refusal
        sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        self._sent.append({"PartNumber": number, "ETag": answer["ETag"], **sums})


def parts(data: Payload) -> Iterator[bytes]:
    """The data in parts of `PART_BYTES`, of which only the last is shorter; at least one, perhaps empty."""
    held = bytearray()
    count = 0
    for piece in pieces(data):
        rest = memoryview(piece)
        while rest:
            room = PART_BYTES - len(held)
            held += rest[:room]
            rest = rest[room:]
            if len(held) == PART_BYTES:
                count += 1
                yield _taken(held)
    if held or not count:
        yield _taken(held)


def _taken(held: bytearray) -> bytes:
    """What is held, which is held no longer: only one of the two stays in memory."""
    part = bytes(held)
    held.clear()
    return part
