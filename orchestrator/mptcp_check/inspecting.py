"""Inspect captures one by one: brought, measured, and what is wrong with them told."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mptcp_check import capture_input
from mptcp_check.analysis.capture.records import Problem
from mptcp_check.analysis.metrics.inspector import Inspector
from mptcp_check.analysis.metrics.values import Inspection
from mptcp_check.analysis.tables.placing import BLOCK_BYTES
from mptcp_check.capture_input import CaptureInput, Progress

CUT_SHORT: Final = "the file ends inside"
"""How the reader's reasons start where the end of what was brought is all that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A capture and what it holds."""

    given: CaptureInput
    inspection: Inspection


def inspect_file(path: Path, *, progress: Progress | None = None) -> Inspected:
    """Inspect one capture.

    Args:
        path: As `capture_input.bring` takes it.
        progress: Told how many bytes were brought, then how many were looked at.

    Raises:
        CaptureError: Nothing could be read.
    """
    given = capture_input.bring(path, progress=progress)
    given, found = _inspection(given, progress)
    if not found.format or (found.problems and not found.packets_count):
        capture_input.refuse(given, found.problems)
    if given.problems:
        # What is missing of the file is why the reader found it cut.
        rest = [p for p in found.problems if not p.reason.startswith(CUT_SHORT)]
        found = replace(found, problems=(*given.problems, *rest))
    return Inspected(given=given, inspection=found)


def unreadable(reason: str) -> Inspection:
    """Return what a capture holds from which nothing could be read."""
    return replace(Inspector().finish(), problems=(Problem(offset=0, reason=reason),))


def _inspection(given: CaptureInput, progress: Progress | None) -> tuple[CaptureInput, Inspection]:
    """Look at a capture block by block; return what of it was there, too."""
    inspector = Inspector()
    at, size = 0, BLOCK_BYTES
    while True:
        block = given.block(at, size)
        if len(block) < min(size, given.size_bytes - at):
            end = at + len(block)
            problem = Problem(offset=end, reason=capture_input.SHRUNK)
            given = replace(given, size_bytes=end, problems=(*given.problems, problem))
        last = at + size >= given.size_bytes
        taken = inspector.feed(block, last=last)
        at += taken
        if progress:
            progress(at, given.size_bytes)
        if last or inspector.broken:
            return given, replace(inspector.finish(), bytes_count=given.size_bytes)
        size = BLOCK_BYTES if taken else 2 * size
