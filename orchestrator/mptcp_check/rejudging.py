"""Judge a stored run again by the rules of today; the old verdict is kept beside the new one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mptcp_check import __version__, capture_input
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.analysis.reporting import run_document
from mptcp_check.errors import UsageError
from mptcp_check.judging import observed
from mptcp_check.model import Side, State
from mptcp_check.run_directory import StoredRun
from mptcp_upload import manifest

VERDICTS: Final = "verdicts"
"""Folder of a run with its former ``report.json``s, numbered from 1, the oldest first."""

_JUDGED: Final = frozenset({"schema", "summary", "exchanges", "report"})
"""What a verdict is made of; all else in a run's document are facts and stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """A new verdict and what is new in it."""

    document: dict[str, Any]
    """``mptcp-check.run/1``."""
    former: dict[str, Any]
    """The document it takes the place of."""
    appeared: tuple[str, ...]
    """Behaviours that are seen now and were not before."""
    gone: tuple[str, ...]
    """Behaviours that were seen before and are not now."""


def rejudge(run: StoredRun, *, at: str) -> Rejudged:
    """Judge the facts of a run again.

    Args:
        run: A whole run; nothing of it is written.
        at: Now, as ISO 8601 in UTC.

    Raises:
        UsageError: Captures or records are missing, are not those of the manifest, or cannot be
            read: a verdict on other facts would not be one on this run.
    """
    _require_untouched(run)
    former = run.document()
    captures = {
        side: capture_input.read(run.directory / "captures" / f"{side}.pcapng") for side in Side
    }
    diagnosis = diagnose(captures[Side.CLIENT], captures[Side.SERVER])
    path = run.directory / "exchanges.json"
    try:
        records = [observed(row) for row in json.loads(path.read_bytes())["exchanges"]]
        kept = {key: value for key, value in former.items() if key not in _JUDGED}
        before = former["report"]
        previous = {
            "rules_version": before["rules_version"],
            "tool_version": before["tool_version"],
            "outcome": before["outcome"],
        }
        was_seen = _seen(former)
    except (OSError, KeyError, TypeError, ValueError) as e:
        raise UsageError(
            f"{path} cannot be judged: {type(e).__name__}: {e}",
            hint="the run is of another version of mptcp-check, or damaged",
        ) from None
    diagnosis = run_document.considered(diagnosis, records)
    document = run_document.document(
        diagnosis,
        run_document.judge_exchanges(diagnosis, records),
        tool_version=__version__,
        about={**kept, "rejudged": {"at": at, "previous": previous}},
        upload=kept.get("upload"),
    )
    is_seen = _seen(document)
    return Rejudged(
        document=document,
        former=former,
        appeared=tuple(sorted(is_seen - was_seen)),
        gone=tuple(sorted(was_seen - is_seen)),
    )


def keep_former(directory: Path, former: Mapping[str, Any]) -> Path:
    """Write a former verdict into the run's folder and return where it is.

    It is written before the new one takes its place, so a crash in between loses none.
    """
    folder = directory / VERDICTS
    folder.mkdir(exist_ok=True)
    content = json.dumps(former, indent=1, ensure_ascii=False) + "\n"
    number = 1
    while (path := folder / f"{number}.json").exists():
        if path.read_text(encoding="utf-8") == content:  # a crash came between
            return path
        number += 1
    temporary = path.with_suffix(".new")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)
    return path


def _require_untouched(run: StoredRun) -> None:
    members = run.manifest["members"]
    for name in ("exchanges.json", *(f"captures/{side}.pcapng" for side in Side)):
        path = run.directory / name
        if not path.is_file() or name not in members:
            raise UsageError(f"{path} is missing", hint="without its facts a run has no verdict")
        if manifest.sha256(path) != members[name]["sha256"]:
            raise UsageError(
                f"{path} is not what the manifest says",
                hint="it was changed after the run; `mptcp-check diagnose` judges captures alone",
            )


def _seen(document: Mapping[str, Any]) -> set[str]:
    return {f["behaviour"] for f in document["report"]["findings"] if f["state"] == State.SEEN}
