"""Objects in an S3 bucket; a commit is one conditional write."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from shared.errors import NotFoundError, StoreError
from shared.store.base import CHUNK, PAGE, ConditionalPut, Payload
from shared.store.keys import (
    checked_folder,
    checked_key,
    checked_page,
    checked_prefix,
    checked_reading,
    is_key,
)
from shared.store.s3_client import S3Client, S3Limits, S3RefusedError
from shared.store.s3_reading import S3Reading
from shared.store.s3_upload import PART_BYTES, Upload, parts
from shared.store.settlement import WRITER, settled

_WHOLE_BYTES = 64 << 20


class S3Store:
    """A Store in a bucket, below a prefix.

    The server must honour ``If-None-Match: *`` on PutObject and CompleteMultipartUpload; `prove` finds out.
    The bucket must list in the order of names, as all but the directory buckets of AWS do.
    Data in pieces is sent in parts of 8 MiB, one after the other, so an object holds at most 80,000 MiB.
    Several objects can't be removed at once: while `delete_all` runs, some are gone and some are not.

    Args:
        bucket: must exist. prefix: empty, or ending with ``/``. limits: time-outs and requests.
    """

    def __init__(self, bucket: str, prefix: str = "", limits: S3Limits | None = None) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self._client = S3Client(limits or S3Limits())

    def put_if_absent(self, key: str, data: Payload) -> bool:
        """See Store."""
        whole, several = _measured(data)
        if whole is not None:
            return self._put_whole(key, whole)
        # Only saves the sending: the condition on the last request decides.
        return not self.exists(key) and self._put_parts(key, several)

    def put(self, key: str, data: Payload) -> None:
        """See Store."""
        whole, several = _measured(data)
        if whole is not None:
            self._call("put_object", key, Body=whole)
            return
        with self._upload(key) as upload:
            upload.send_all(several)
            self._completed(upload)

    def get(self, key: str) -> bytes:
        """See Store."""
        return b"".join(self.stream(key))

    def stream(self, key: str, start: int = 0, chunk: int = CHUNK) -> Iterator[bytes]:
        """See Store. A connection that breaks is taken up again where it broke."""
        checked_reading(start, chunk)
        name = self._name(key)
        return S3Reading(self._client, self.bucket, name, self.describe()).open(start).chunks(chunk)

    def size(self, key: str) -> int:
        """See Store."""
        return int(self._call("head_object", key)["ContentLength"])

    def exists(self, key: str) -> bool:
        """See Store."""
        try:
            self._call("head_object", key)
        except NotFoundError:
            return False
        return True

    def list(self, prefix: str, after: str = "", limit: int = PAGE) -> list[str]:
        """See Store. Objects below the prefix whose names are no keys are passed over."""
        checked_page(after, limit)
        checked_prefix(prefix)
        found: list[str] = []
        while len(found) < limit:
            names, more = self._names(prefix, after, limit - len(found))
            found += [name for name in names if is_key(name)]
            if not (more and names):
                break
            after = names[-1]
        return found

    def delete(self, key: str) -> None:
        """See Store."""
        with suppress(NotFoundError):
            self._call("delete_object", key)

    def delete_all(self, prefix: str) -> int:
        """See Store."""
        removed, keys = 0, self.list(checked_folder(prefix))
        while keys:
            self._delete_page(keys)
            removed += len(keys)
            keys = self.list(prefix, after=keys[-1])
        return removed

    def collect_orphans(self, older_than: float) -> int:
        """See Store: uploads that were begun so long ago and never completed. One that is still being sent
        fails then, so let it be longer than the longest put."""
        found = [*self._unfinished(time.time() - older_than)]
        for upload in found:
            upload.abort()
        return len(found)

    def conditional_puts(self) -> tuple[ConditionalPut, ...]:
        """See Store: in one request, and in parts."""

        def in_parts(key: str, data: Payload) -> bool:
            return self._put_parts(key, parts(data))

        return (self.put_if_absent, in_parts)

    def describe(self) -> str:
        """See Store."""
        return f"s3://{self.bucket}/{self.prefix}"

    def _put_whole(self, key: str, body: bytes) -> bool:
        name, writer = self._name(key), uuid.uuid4().hex

        def attempt() -> None:
            self._client.call(
                "put_object",
                Bucket=self.bucket,
                Key=name,
                Body=body,
                IfNoneMatch="*",
                Metadata={WRITER: writer},
            )

        return self._settled(attempt, name, writer)

    def _put_parts(self, key: str, several: Iterator[bytes]) -> bool:
        with self._upload(key) as upload:
            upload.send_all(several)
            return self._settled(lambda: upload.complete(IfNoneMatch="*"), upload.name, upload.writer)

    def _completed(self, upload: Upload) -> None:
        """Complete an upload that may replace. UnavailableError where it is not known to be there."""
        try:
            upload.complete()
        except S3RefusedError as refusal:
            if self._writer(upload.name) != upload.writer:
                raise StoreError(f"{upload.name} in {self.bucket}: {refusal}") from refusal

    def _settled(self, attempt: Callable[[], object], name: str, writer: str) -> bool:
        return settled(attempt, lambda: self._writer(name), writer, f"{name} in {self.bucket}")

    def _upload(self, key: str) -> Upload:
        return Upload.begun(self._client, self.bucket, self._name(key))

    def _writer(self, name: str) -> str | None:
        """Who wrote the object: empty where it doesn't say, None where there is no object."""
        try:
            answer = self._client.call("head_object", Bucket=self.bucket, Key=name)
        except S3RefusedError as refusal:
            if refusal.status == 404:
                return None
            raise StoreError(f"{name} in {self.bucket}: {refusal}") from refusal
        return str(answer.get("Metadata", {}).get(WRITER, ""))

    def _names(self, prefix: str, after: str, limit: int) -> tuple[Sequence[str], bool]:
        """Up to `limit` names without our prefix, foreign ones among them, and whether there are more."""
        start = {"StartAfter": self.prefix + after} if after else {}
        answer = self._bucket_call(
            "list_objects_v2", Prefix=self.prefix + prefix, MaxKeys=min(limit, 1000), **start
        )
        names = [str(entry["Key"]).removeprefix(self.prefix) for entry in answer.get("Contents", ())]
        return names, bool(answer.get("IsTruncated"))

    def _delete_page(self, keys: Sequence[str]) -> None:
        named = [{"Key": self.prefix + key} for key in keys]
        answer = self._bucket_call("delete_objects", Delete={"Objects": named, "Quiet": True})
        for failed in answer.get("Errors", ()):
            raise StoreError(f"{self.describe()}: {failed.get('Key')} stays: {failed.get('Message')}")

    def _unfinished(self, oldest: float) -> Iterator[Upload]:
        before, markers = datetime.fromtimestamp(oldest, UTC), dict[str, Any]()
        while True:
            answer = self._bucket_call("list_multipart_uploads", Prefix=self.prefix, **markers)
            for entry in answer.get("Uploads", ()):
                if entry["Initiated"] < before:
                    yield Upload(self._client, self.bucket, entry["Key"], entry["UploadId"], "")
            if not answer.get("IsTruncated"):
                return
            markers = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def _call(self, operation: str, key: str, **arguments: Any) -> dict[str, Any]:
        """One operation on one object. NotFoundError where there is none."""
        try:
            return self._client.call(operation, Bucket=self.bucket, Key=self._name(key), **arguments)
        except S3RefusedError as refusal:
            if refusal.status == 404:
                raise NotFoundError(f"{key} is not in {self.describe()}") from None
            raise StoreError(f"{key} in {self.describe()}: {refusal}") from refusal

    def _bucket_call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            return self._client.call(operation, Bucket=self.bucket, **arguments)
        except S3RefusedError as refusal:
            raise StoreError(f"{self.describe()}: {refusal}") from refusal

    def _name(self, key: str) -> str:
        return self.prefix + checked_key(key)


def _measured(data: Payload) -> tuple[bytes | None, Iterator[bytes]]:
    """The data whole where it is small, and its parts where it is not."""
    if isinstance(data, bytes) and len(data) <= _WHOLE_BYTES:
        return data, iter(())
    several = parts(data)
    first = next(several)
    return (first, several) if len(first) < PART_BYTES else (None, chain((first,), several))
