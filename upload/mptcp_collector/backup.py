"""A backup of everything, in one folder, from any storage to any other.

``tables.jsonl.zst`` has every row, read in one transaction; ``blobs/`` has the bundles; the keys
are beside them.  The rows are read first: a bundle without its run is harmless, a run without its
bundle is not.  ``manifest.json`` is written last, so that half a backup is none.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import zstandard

from mptcp_check.errors import UsageError
from mptcp_collector.blobs.blob_store import BlobStore
from mptcp_collector.blobs.directory import DirectoryBlobs, synchronise_folder
from mptcp_collector.meta import tables
from mptcp_collector.meta.engine import reading

SCHEMA: Final = "mptcp-check.collector-backup/1"
MANIFEST: Final = "manifest.json"
ROWS: Final = "tables.jsonl.zst"
BLOBS: Final = "blobs"
KEYS: Final = ("receipt-key.pem", "review-token.sha256")
_CHUNK_BYTES: Final = 1 << 20
_BATCH: Final = 500
_WITHOUT: Final = {"uploads", "exports"}
"""Uploads on their way are in no backup, and exports are where they are."""

_TABLES: Final = [one for one in tables.metadata.sorted_tables if one.name not in _WITHOUT]


def write(folder: Path, *, engine: sa.Engine, blobs: BlobStore, state: Path) -> dict[str, int]:
    """Write a backup while the collector runs; return how many rows and bundles it has.

    A folder that has a backup is brought up to date: only new bundles are copied, and those of
    deleted runs are removed.

    Raises:
        UsageError: The folder cannot be written.
        FileNotFoundError: A bundle of a run is not in the storage.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / MANIFEST).unlink(missing_ok=True)
        with reading(engine).begin() as db:
            digest, row_count = _write_rows(db, folder / ROWS)
            wanted = _wanted(db)
        kept = DirectoryBlobs(folder / BLOBS)
        for sha256 in sorted(wanted):
            _copy(sha256, blobs, kept, folder)
        for sha256 in set(kept.digests()) - wanted:
            kept.remove(sha256)
        for name in KEYS:
            if (state / name).exists():
                shutil.copy2(state / name, folder / name)
        counts = {"row_count": row_count, "bundle_count": len(wanted)}
        manifest = {"schema": SCHEMA, "tables_sha256": digest, **counts}
        new = folder / f".{MANIFEST}"
        new.write_text(json.dumps(manifest, indent=2) + "\n")
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(folder / MANIFEST)
        synchronise_folder(folder)
    except PermissionError as e:
        raise UsageError(f"{folder} cannot be written: {(e.strerror or str(e)).lower()}") from None
    return counts


def restore(folder: Path, *, engine: sa.Engine, blobs: BlobStore, state: Path) -> dict[str, int]:
    """Fill an empty collector, of whatever storage, from a backup; the bundles come first.

    Raises:
        UsageError: It is no whole backup, or the collector is not empty.
    """
    manifest = _manifest(folder)
    kept = DirectoryBlobs(folder / BLOBS)
    with engine.connect() as db:
        if any(db.execute(sa.select(table).limit(1)).first() for table in _TABLES):
            raise UsageError("this collector is not empty", hint="restore into a new one")
    for sha256 in kept.digests():
        path = folder / BLOBS / sha256[:2] / sha256[2:]
        if _sha256(path) != sha256:
            raise UsageError(f"{path} is not what its name says", hint="take another backup")
        blobs.put(sha256, path)
    for name in KEYS:
        if (folder / name).exists():
            shutil.copy2(folder / name, state / name)
    with engine.begin() as db:
        for name, rows in _read_rows(folder / ROWS):
            db.execute(sa.insert(tables.metadata.tables[name]), rows)
        _set_sequences(db)
    return {name: int(manifest[name]) for name in ("row_count", "bundle_count")}


def _write_rows(db: sa.Connection, path: Path) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as file:
        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as packed:
            for table in _TABLES:
                for row in db.execute(sa.select(table)).mappings():
                    line = json.dumps({"table": table.name, "row": dict(row)}).encode() + b"\n"
                    digest.update(line)
                    packed.write(line)
                    count += 1
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), count


def _wanted(db: sa.Connection) -> set[str]:
    r, c = tables.runs, tables.server_captures
    live = sa.select(r.c.bundle_sha256).where(r.c.state != "deleted", r.c.traces_gone_ns.is_(None))
    joined = sa.select(c.c.sha256).where(c.c.state == "joined")
    return {str(one) for select in (live, joined) for one in db.execute(select).scalars()}


def _copy(sha256: str, source: BlobStore, target: DirectoryBlobs, folder: Path) -> None:
    if target.has(sha256):
        return
    path = folder / f".{sha256}"
    try:
        with source.open(sha256) as blob, path.open("wb") as file:
            shutil.copyfileobj(blob, file, _CHUNK_BYTES)
            file.flush()
            os.fsync(file.fileno())
        target.put(sha256, path)
    finally:
        path.unlink(missing_ok=True)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        whole = manifest["schema"] == SCHEMA and manifest["tables_sha256"] == _digest_rows(folder)
    except (OSError, ValueError, KeyError, TypeError, zstandard.ZstdError):
        whole = False
    if not whole:
        raise UsageError(f"{folder} holds no whole backup", hint="mptcp-check collector backup")
    found: dict[str, Any] = manifest
    return found


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        rest = b""
        while chunk := reader.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def _digest_rows(folder: Path) -> str:
    digest = hashlib.sha256()
    for line in _lines(folder / ROWS):
        digest.update(line + b"\n")
    return digest.hexdigest()


def _read_rows(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give rows in the order in which tables refer to each other, some at once."""
    name, rows = "", list[dict[str, Any]]()
    for line in _lines(path):
        one = json.loads(line)
        if rows and (one["table"] != name or len(rows) == _BATCH):
            yield name, rows
            rows = []
        name = one["table"]
        rows.append(one["row"])
    if rows:
        yield name, rows


def _set_sequences(db: sa.Connection) -> None:
    """Let numbers that the database gives go on after those that were restored."""
    if db.dialect.name != "postgresql":
        return
    for table in (tables.findings, tables.audit, tables.reanalyses):
        largest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        db.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(largest, 1))))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
