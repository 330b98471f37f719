"""The artifact store: objects under keys, each committed once. Open it by address, prove it, use it."""

from shared.store.base import Payload, Store, every_key
from shared.store.opening import open_store
from shared.store.proof import prove
from shared.store.s3_client import S3Limits

__all__ = ["Payload", "S3Limits", "Store", "every_key", "open_store", "prove"]
