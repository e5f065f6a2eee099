"""Bundles in an object store that speaks S3; boto3 ends here."""

import base64
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_IN_MEMORY_BYTES: Final = 8 << 20
_TIMEOUT_S: Final = 20


class S3Blobs:
    """A `BlobStore` in a bucket, which is there already; credentials come from the environment.

    Args:
        bucket: Its name.
        prefix: What every key begins with, ``bundles/``.
        endpoint: Where the service is, ``https://…``; empty for the provider's own.
    """

    def __init__(self, bucket: str, *, prefix: str = "", endpoint: str = "") -> None:
        self._bucket = bucket
        self._prefix = prefix
        # boto3 has no types
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint or None,
            config=Config(
                connect_timeout=_TIMEOUT_S,
                read_timeout=_TIMEOUT_S,
                retries={"max_attempts": 4, "mode": "standard"},
            ),
        )

    def require(self) -> None:
        """See that the bucket is there and lets us in.

        Raises:
            OSError: It is not, or does not.
        """
        try:
            with _said(self._bucket):
                self._s3.head_bucket(Bucket=self._bucket)
        except FileNotFoundError:
            raise OSError(f"there is no bucket {self._bucket}") from None

    def put(self, sha256: str, file: Path) -> None:
        """Keep a file's bytes; the digest travels with them for the service to compare."""
        if self.has(sha256):
            return
        with _said(sha256), file.open("rb") as body:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._prefix + sha256,
                Body=body,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
            )

    def open(self, sha256: str) -> BinaryIO:
        """Return the bytes, from a file of its own that can be searched."""
        copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
        try:
            with _said(sha256):
                self._s3.download_fileobj(self._bucket, self._prefix + sha256, copy)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return cast("BinaryIO", copy)

    def has(self, sha256: str) -> bool:
        """Say whether the bytes are here."""
        try:
            with _said(sha256):
                self._s3.head_object(Bucket=self._bucket, Key=self._prefix + sha256)
        except FileNotFoundError:
            return False
        return True

    def remove(self, sha256: str) -> None:
        """Remove the bytes."""
        with _said(sha256):
            self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + sha256)

    def digests(self) -> Iterator[str]:
        """Return all that is here."""
        with _said(self._prefix):
            pages = self._s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for entry in page.get("Contents", ()):
                    yield str(entry["Key"]).removeprefix(self._prefix)


@contextlib.contextmanager
def _said(name: str) -> Iterator[None]:
    """Turn what boto3 raises into what a file system raises."""
    try:
        yield
    except ClientError as e:
        if str(e.response.get("Error", {}).get("Code")) in _MISSING:
            raise FileNotFoundError(name) from None
        raise OSError(f"the object store refused {name}: {e}") from e
    except (BotoCoreError, Boto3Error) as e:
        raise OSError(f"the object store does not answer for {name}: {e}") from e
