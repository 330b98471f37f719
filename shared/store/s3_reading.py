"""Reading an object from S3 in pieces, of one version, over connections that may break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.errors import NotFoundError, StoreError, UnavailableError
from shared.store.s3_client import S3Client, S3RefusedError, failures


class S3Reading:
    """Where the reading of one object stands."""

    def __init__(self, client: S3Client, bucket: str, name: str, store: str) -> None:
        self._client = client
        self._bucket, self._name, self._store = bucket, name, store
        self._position = self._end = 0
        self._version: dict[str, str] = {}
        self._body: Any = None

    def open(self, start: int) -> S3Reading:
        """Begin at a byte. NotFoundError where there is no object; nothing is read beyond its end."""
        try:
            self._request(start)
        except S3RefusedError as refusal:
            if refusal.status == 404:
                raise NotFoundError(f"{self._name} is not in {self._store}") from None
            if refusal.status != 416:
                raise StoreError(f"{self._name} in {self._store}: {refusal}") from refusal
        return self

    def chunks(self, chunk: int) -> Iterator[bytes]:
        """The rest, in pieces of at most `chunk` bytes. UnavailableError where the end can't be reached."""
        broken = 0
        try:
            while self._position < self._end:
                try:
                    with failures(self._bucket):
                        piece: bytes = self._body.read(min(chunk, self._end - self._position))
                except UnavailableError:
                    broken += 1
                    if broken >= self._client.limits.attempts:
                        raise
                    self._resume()
                    continue
                broken = 0
                self._position += len(piece)
                yield piece
        finally:
            if self._body is not None:
                self._body.close()

    def _resume(self) -> None:
        self._body.close()
        try:
            self._request(self._position)
        except S3RefusedError as refusal:
            raise StoreError(
                f"{self._name} in {self._store} was replaced or removed while it was read; read it again"
            ) from refusal

    def _request(self, start: int) -> None:
        asked = {"Range": f"bytes={start}-"} if start else {}
        answer = self._client.call(
            "get_object", Bucket=self._bucket, Key=self._name, **asked, **self._version
        )
        self._body, self._position = answer["Body"], start
        self._end = start + int(answer["ContentLength"])
        self._version = {"IfMatch": answer["ETag"]}
