"""The guest agent as one file: the same sources give the same bytes, wherever it is built."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

PACKAGE = "mptcp_guest"
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can say."""
FIXED_MODE = 0o100644 << 16

MAIN = f"from {PACKAGE}.__main__ import main\n\nmain()\n"
"""What Python runs of a zipapp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestArchive:
    """What is pushed into each machine."""

    content: bytes
    sha256: str


def build_zipapp() -> bytes:
    """Return the agent as a zip file that Python runs; names sorted, times fixed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_STORED) as archive:
        for name, content in sorted({**_sources(), "__main__.py": MAIN.encode()}.items()):
            entry = zipfile.ZipInfo(name, date_time=FIXED_TIME)
            entry.external_attr = FIXED_MODE
            entry.create_system = 3  # Unix, also when built elsewhere
            archive.writestr(entry, content)
    return buffer.getvalue()


def guest_archive() -> GuestArchive:
    """Return the agent with its digest, which goes into every report."""
    content = build_zipapp()
    return GuestArchive(content=content, sha256=hashlib.sha256(content).hexdigest())


def _sources() -> dict[str, bytes]:
    """Return the package's modules by their names in the archive; nothing else that lies there."""
    return dict(_modules(resources.files(PACKAGE), PACKAGE))


def _modules(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _modules(entry, f"{name}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{name}/{entry.name}", entry.read_bytes()
