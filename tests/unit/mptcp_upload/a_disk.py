"""A disk that keeps only what was synchronised: what is left of a folder after a power cut."""

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Platter:
    """What of a folder would be there after a power cut, told of each system call beforehand.

    A file's bytes are there when the file was synchronised, its name when the folder was; names
    that went are still there until then (POSIX, fsync).
    """

    root: Path
    contents: dict[int, bytes] = field(default_factory=dict)
    """By inode: bytes that were synchronised."""
    names: dict[int, dict[str, int]] = field(default_factory=dict)
    """By inode of a folder: the synchronised entries."""
    folders: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.synchronised(self.root)

    def created(self, path: Path) -> None:
        """Note a new file or folder: whoever had its inode before is gone."""
        inode = path.stat().st_ino
        self.contents.pop(inode, None)
        self.names.pop(inode, None)
        self.folders.discard(inode)
        if path.is_dir():
            self.folders.add(inode)

    def synchronised(self, path: Path) -> None:
        """Note what is on the disk now."""
        inode = path.stat().st_ino
        if path.is_dir():
            self.folders.add(inode)
            self.names[inode] = {e.name: e.inode() for e in os.scandir(path)}
        else:
            self.contents[inode] = path.read_bytes()

    def left(self, *, names_kept: bool) -> dict[str, bytes | None]:
        """Return what is there when the power is back: files with bytes, folders with None.

        Args:
            names_kept: Whether the names happened to reach the disk although nobody waited for
                them, before the bytes did.
        """
        if names_kept:
            return {
                str(p.relative_to(self.root)): (
                    None if p.is_dir() else self.contents.get(p.stat().st_ino, b"")
                )
                for p in sorted(self.root.rglob("*"))
            }
        found: dict[str, bytes | None] = {}
        self._walk(self.root.stat().st_ino, "", found)
        return found

    def _walk(self, inode: int, prefix: str, found: dict[str, bytes | None]) -> None:
        for name, inner in sorted(self.names.get(inode, {}).items()):
            if inner in self.folders:
                found[prefix + name] = None
                self._walk(inner, f"{prefix}{name}/", found)
            else:
                found[prefix + name] = self.contents.get(inner, b"")


def restore(folder: Path, left: dict[str, bytes | None]) -> None:
    """Write into a new folder what a power cut left."""
    folder.mkdir()
    for name, content in sorted(left.items()):
        if content is None:
            (folder / name).mkdir(mode=0o700)
        else:
            (folder / name).write_bytes(content)
