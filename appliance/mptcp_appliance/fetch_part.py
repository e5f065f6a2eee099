"""Fetch one file of known size and digest, going on where an earlier attempt was cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from mptcp_appliance.errors import ImageError
from mptcp_appliance.fetch_source import Source, SourceError
from mptcp_appliance.image import file_digest
from mptcp_appliance.manifest import Part

_ATTEMPTS: Final = 6
"""So many in a row may fail without bringing anything worth it."""

_WORTH_BYTES: Final = 1 << 16
_PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)

_VALIDATOR: Final = ".validator"
"""After the name of a file that is on its way: what the server calls its state."""

Progress = Callable[[int, str], None]

_HINT: Final = "Run the same command again: it goes on where it stopped."


def fetch(
    source: Source,
    path: str,
    target: Path,
    part: Part,
    *,
    progress: Progress,
    wait: Callable[[float], None],
) -> None:
    """Bring `target` to what `part` says.

    What is there already is kept if it is the beginning of it. After an error the beginning
    stays, for the next call; what has the wrong digest is removed.

    Args:
        source: Where it comes from.
        path: The file's place there.
        target: Where it goes.
        part: Its size and digest; not a byte more is taken.
        progress: Called with the number of bytes that are there, and with what went wrong.
        wait: Lets that many seconds pass.

    Raises:
        ImageError: It did not come, or is not what it should be.
        OSError: It cannot be written.
    """
    state = target.with_name(f"{target.name}{_VALIDATOR}")
    failures = 0
    pieced = started_over = False
    reason = ""
    while failures < _ATTEMPTS:
        before_bytes = _size_bytes(target)
        if before_bytes > part.size_bytes:
            _remove(target, state)
            before_bytes = 0
        pieced = pieced or before_bytes > 0
        if before_bytes < part.size_bytes:
            try:
                whole_anew = _receive(source, path, target, state, part, progress)
                pieced = pieced and not whole_anew
                reason = "the connection was cut"
            except SourceError as e:
                if not e.again:
                    raise ImageError(f"{path} cannot be fetched: {e.reason}", hint=_HINT) from e
                reason = e.reason
        there_bytes = _size_bytes(target)
        if there_bytes < part.size_bytes:
            gained = there_bytes - before_bytes >= _WORTH_BYTES
            failures = 0 if gained else failures + 1
            progress(there_bytes, reason)
            wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            continue
        found = file_digest(target)
        if found == part.sha256:
            state.unlink(missing_ok=True)
            return
        _remove(target, state)
        if not pieced or started_over:
            raise ImageError(
                f"{path} is not what the catalogue announces: its SHA-256 is {found}, "
                f"announced is {part.sha256}; it was removed",
                hint="somebody changed it on its way, or the server's copy is damaged: "
                "try another network, then tell those who publish it",
            )
        # two pieces may be of two states of the file: once more from its beginning
        pieced, started_over = False, True
    raise ImageError(
        f"{path} did not come: {reason} ({_ATTEMPTS} attempts; "
        f"{_size_bytes(target)} of {part.size_bytes} bytes are kept)",
        hint=_HINT,
    )


def _receive(  # noqa: PLR0917 - one call, the parts of one step
    source: Source,
    path: str,
    target: Path,
    state: Path,
    part: Part,
    progress: Progress,
) -> bool:
    """Add to a file what one request brings; returns whether that began at the file's start."""
    offset_bytes = _size_bytes(target)
    validator = state.read_text(encoding="utf-8") if offset_bytes and state.exists() else ""
    with source.open(path, offset_bytes=offset_bytes, validator=validator) as delivery:
        if delivery.total_bytes not in {None, part.size_bytes}:
            _remove(target, state)
            raise ImageError(
                f"{path} has {delivery.total_bytes} bytes, the catalogue announces "
                f"{part.size_bytes}",
                hint="its publisher's copy is not whole yet, or damaged: tell them",
            )
        state.write_text(delivery.validator, encoding="utf-8")
        mode = "r+b" if delivery.offset_bytes else "wb"
        with target.open(mode) as stream:
            there_bytes = stream.seek(delivery.offset_bytes)
            for chunk in delivery.chunks:
                there_bytes += len(chunk)
                if there_bytes > part.size_bytes:
                    _remove(target, state)
                    raise ImageError(
                        f"{path} is larger than the {part.size_bytes} bytes that the catalogue "
                        "announces; it was removed",
                        hint="somebody changed it, or its publisher's copy is damaged: tell them",
                    )
                stream.write(chunk)
                progress(there_bytes, "")
        return delivery.offset_bytes == 0


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
