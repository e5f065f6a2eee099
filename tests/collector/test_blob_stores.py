"""The same for a folder, a folder on another file system, and an S3 server that really runs."""

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from collector_parts import bundle, configuration
from mptcp_check.errors import UsageError
from mptcp_collector import collector
from mptcp_collector.blobs.blob_store import BlobStore
from mptcp_collector.blobs.directory import DirectoryBlobs
from mptcp_collector.blobs.s3 import S3Blobs


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.fixture(params=["folder", "folder without links", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BlobStore:
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        return S3Blobs("bundles", prefix=f"{tmp_path.name}/", endpoint=endpoint)
    if request.param == "folder without links":
        monkeypatch.setattr(os, "link", no_links)
    return DirectoryBlobs(tmp_path / "blobs")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bundle"
    path.write_bytes(bundle())
    return path


DIGEST = hashlib.sha256(bundle()).hexdigest()


def test_what_was_put_is_there_whole_and_a_second_time_changes_nothing(
    store: BlobStore, file: Path
) -> None:
    assert not store.has(DIGEST)
    for _ in range(2):
        store.put(DIGEST, file)
        with store.open(DIGEST) as kept:
            assert kept.read() == bundle()
            kept.seek(7)
            assert kept.read(3) == bundle()[7:10]
    assert list(store.digests()) == [DIGEST]
    assert file.read_bytes() == bundle()


def test_what_was_removed_is_gone_and_may_be_removed_again(store: BlobStore, file: Path) -> None:
    store.put(DIGEST, file)
    for _ in range(2):
        store.remove(DIGEST)
        assert not store.has(DIGEST)
    assert list(store.digests()) == []
    with pytest.raises(FileNotFoundError):
        store.open(DIGEST)
    store.put(DIGEST, file)
    assert store.has(DIGEST)


def test_an_object_store_that_is_away_is_an_operating_system_error(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = S3Blobs("bundles", endpoint="http://127.0.0.1:9")
    with pytest.raises(OSError, match="does not answer"):
        store.put(DIGEST, file)


def test_a_copy_that_fails_leaves_nothing(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = DirectoryBlobs(tmp_path / "blobs")
    monkeypatch.setattr(os, "link", no_links)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            store.put(DIGEST, file)
    assert list(store.digests()) == []
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_bucket_that_is_not_there_is_said_at_the_start(tmp_path: Path, s3_endpoint: str) -> None:
    there = replace(configuration(tmp_path), blobs="s3://bundles/some", s3_endpoint=s3_endpoint)
    assert isinstance(collector.blobs(there), S3Blobs)
    for missing in (replace(there, blobs="s3://nobodys/x"), replace(there, blobs="s3://")):
        with pytest.raises(UsageError, match="s3://"):
            collector.blobs(missing)
