"""Published runs as tables in a folder, which is written again when one of them is deleted.

Tables are files named by their content; ``manifest.json`` names them and is replaced in one step,
last.  So whoever reads what the manifest names reads one state, and a run that was deleted is in
no file once the folder was written again.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from mptcp_check.errors import UsageError
from mptcp_collector.blobs.directory import synchronise_folder
from mptcp_collector.meta.meta_store import MetaStore
from mptcp_collector.meta.records import Export, Listed, RunState, Wanted

SCHEMA: Final = "mptcp-check.export/1"
MANIFEST: Final = "manifest.json"
FORMATS: Final = ("parquet", "jsonl")
DELETED: Final = "deleted"
"""How the audit log's lines of deletions begin."""
_PAGE: Final = 500
_DIGITS: Final = 16

COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "runs": {
        "run_id": "string",
        "received_ns": "int64",
        "published_ns": "int64",
        "bundle_sha256": "string",
        "size_bytes": "int64",
        "purposes": "string",
        "outcome": "string",
        "url": "string",
    },
    "verdicts": {
        "run_id": "string",
        "rules_version": "string",
        "judged_ns": "int64",
        "outcome": "string",
        "newest": "bool",
    },
    "findings": {
        "run_id": "string",
        "rules_version": "string",
        "behaviour": "string",
        "application": "string",
        "port": "int64",
    },
    "marks": {"run_id": "string", "kind": "string", "value": "string"},
}
"""Table -> column -> Arrow's name of its type."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """What writes exports."""

    meta: MetaStore
    wall_ns: Callable[[], int]
    public_url: str

    def write(self, folder: Path, kind: str) -> dict[str, Any]:
        """Write what is public now; return the manifest.

        Raises:
            UsageError: The folder holds something else, or cannot be written.
        """
        _see_folder(folder)
        now_ns = self.wall_ns()
        audit_id = max((line[0] for line in self.meta.audit_lines()), default=0)
        tables = self._tables(now_ns)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            manifest = _written(folder, kind, tables, now_ns)
        except OSError as e:
            raise UsageError(f"{folder} cannot be written: {(e.strerror or str(e)).lower()}") from e
        place = str(folder.absolute())
        self.meta.set_export(Export(folder=place, format=kind, made_ns=now_ns, audit_id=audit_id))
        return manifest

    def write_again(self) -> int:
        """Write the exports anew that were made before a deletion; return how many those were."""
        count = 0
        for one in self.meta.exports():
            after = self.meta.audit_lines(after=one.audit_id)
            if any(action.startswith(DELETED) for _, _, action, _ in after):
                self.write(Path(one.folder), one.format)
                count += 1
        return count

    def _tables(self, now_ns: int) -> dict[str, list[Row]]:
        tables: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        for listed in self._public(now_ns):
            run = listed.run
            tables["runs"].append(
                {
                    "run_id": run.run_id,
                    "received_ns": run.received_ns,
                    "published_ns": run.publish_ns,
                    "bundle_sha256": run.bundle_sha256,
                    "size_bytes": run.size_bytes,
                    "purposes": run.purposes,
                    "outcome": listed.outcome,
                    "url": f"{self.public_url.rstrip('/')}/runs/{run.run_id}",
                }
            )
            for place, verdict in enumerate(self.meta.verdicts(run.run_id)):
                key = {"run_id": run.run_id, "rules_version": verdict.rules_version}
                tables["verdicts"].append(
                    {
                        **key,
                        "judged_ns": verdict.judged_ns,
                        "outcome": verdict.outcome,
                        "newest": place == 0,
                    }
                )
                tables["findings"] += [
                    {
                        **key,
                        "behaviour": one.behaviour,
                        "application": one.application,
                        "port": one.port,
                    }
                    for one in verdict.findings
                ]
            tables["marks"] += [
                {"run_id": run.run_id, "kind": kind, "value": value}
                for kind, values in listed.marks.items()
                for value in values
            ]
        return tables

    def _public(self, now_ns: int) -> Iterable[Listed]:
        offset = 0
        while True:
            wanted = Wanted(public_at_ns=now_ns, offset=offset, limit=_PAGE)
            _, page = self.meta.runs(wanted)
            yield from (one for one in page if one.run.state is RunState.ANALYSED)
            if len(page) < _PAGE:
                return
            offset += _PAGE


def _see_folder(folder: Path) -> None:
    """Refuse a folder that is somebody else's: what is not in our manifest would be removed."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        ours = json.loads((folder / MANIFEST).read_bytes())["schema"] == SCHEMA
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise UsageError(f"{folder} holds something else", hint="name a new or an empty folder")


def _written(
    folder: Path, kind: str, tables: Mapping[str, Sequence[Row]], now_ns: int
) -> dict[str, Any]:
    listed = {}
    for name, rows in tables.items():
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as new:
            path = Path(new.name)
        try:
            (_parquet if kind == "parquet" else _jsonl)(path, name, rows)
            octets = path.read_bytes()
            digest = hashlib.sha256(octets).hexdigest()
            file = f"{name}-{digest[:_DIGITS]}.{kind}"
            _synchronise(path)
            path.chmod(0o644)
            path.replace(folder / file)
        finally:
            path.unlink(missing_ok=True)
        listed[name] = {
            "file": file,
            "sha256": digest,
            "bytes": len(octets),
            "row_count": len(rows),
            "columns": dict(COLUMNS[name]),
        }
    manifest = {"schema": SCHEMA, "format": kind, "made_ns": now_ns, "tables": listed}
    new_manifest = folder / f".{MANIFEST}.new"
    new_manifest.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    _synchronise(new_manifest)
    new_manifest.replace(folder / MANIFEST)
    kept = {MANIFEST, *(table["file"] for table in listed.values())}
    for path in folder.iterdir():
        if path.name not in kept and path.is_file():
            path.unlink()
    synchronise_folder(folder)
    return manifest


def _parquet(path: Path, name: str, rows: Sequence[Row]) -> None:
    types = {"string": pa.string(), "int64": pa.int64(), "bool": pa.bool_()}
    schema = pa.schema([(column, types[kind]) for column, kind in COLUMNS[name].items()])
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    parquet.write_table(table, path, compression="zstd")


def _jsonl(path: Path, _: str, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _synchronise(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
