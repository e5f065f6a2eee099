"""The folders of Vagrant's machines: private, locked as long as their run lives.

A machine of libvirt or VirtualBox outlives the program that started it.  Its folder is the only
thread that leads back to it, so it stays until the machine is gone: the next start finds folders
whose lock nobody holds, and has their machines destroyed (`vagrant.destroy_remains`).
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from mptcp_appliance import durable
from mptcp_appliance.image import file_digest
from mptcp_check.errors import MachineError, UsageError

_LOCK: Final = "lock"
_MACHINES: Final = "machines"
_SEALS: Final = "seals"

PLUGINS: Final = {"libvirt": "vagrant-libvirt", "qemu": "vagrant-qemu"}
"""Providers that come with a plugin of Vagrant's."""

_LIST: Final = "plugins.json"
_GEMS: Final = "gems"
_LIST_BYTES: Final = 1 << 20


def boxes_home(home: Path) -> Path:
    """Return Vagrant's own home below ours: the user's boxes, plugins and keys are elsewhere."""
    path = home / "vagrant"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def box_folder(home: Path, name: str, provider: str) -> Path | None:
    """Return where Vagrant keeps a box that it has taken in; none if it has not."""
    place = boxes_home(home) / "boxes" / name.replace("/", "-VAGRANTSLASH-")
    # Vagrant 2.4 puts the architecture between version and provider
    found = next(place.glob(f"0/**/{provider}/metadata.json"), None)
    return found.parent if found else None


def seal(home: Path, name: str, provider: str) -> None:
    """Note the digests of a box that was just taken in, for `is_sealed` before every boot of it."""
    folder = box_folder(home, name, provider)
    if folder is None:
        return
    files = [path for path in folder.rglob("*") if path.is_file()]
    content = {str(path.relative_to(folder)): file_digest(path) for path in files}
    note = _note(home, name, provider)
    note.parent.mkdir(mode=0o700, exist_ok=True)
    durable.replace(note, json.dumps(content).encode(), mode=0o600)


def is_sealed(home: Path, name: str, provider: str) -> bool:
    """Say whether a box was taken in and every file of it is still what it was then."""
    folder = box_folder(home, name, provider)
    if folder is None:
        return False
    try:
        known = json.loads(_note(home, name, provider).read_bytes())
        return bool(known) and all(
            file_digest(folder / path) == digest for path, digest in known.items()
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _note(home: Path, name: str, provider: str) -> Path:
    return home / _SEALS / f"{name.replace('/', '-')}.{provider}.json"


def user_home() -> Path:
    """Return Vagrant's home of the user, where plugins are installed; it need not exist."""
    said = os.environ.get("VAGRANT_HOME")
    return Path(said) if said else Path.home() / ".vagrant.d"


def lend_plugins(boxes: Path, theirs: Path) -> None:
    """Let our Vagrant use the providers' plugins that the user installed for theirs.

    No other plugin: some change every machine that is started, as vagrant-vbguest does.

    Args:
        boxes: From `boxes_home`.
        theirs: From `user_home`; only read.
    """
    lent = _installed(theirs / _LIST)
    gems, fresh = boxes / _GEMS, boxes / f"{_GEMS}.{os.getpid()}"
    if lent:
        if gems.is_dir() and not gems.is_symlink():
            shutil.rmtree(gems)  # Vagrant makes an empty one
        fresh.symlink_to((theirs / _GEMS).absolute())
        fresh.replace(gems)
    elif gems.is_symlink():
        gems.unlink(missing_ok=True)
    listed = boxes / f"{_LIST}.{os.getpid()}"
    listed.write_text(json.dumps({"version": "1", "installed": lent}))
    listed.replace(boxes / _LIST)


def _installed(file: Path) -> dict[str, object]:
    """Return Vagrant's entries of the providers' plugins; none where they cannot be read."""
    try:
        with file.open("rb") as stream:
            installed = json.loads(stream.read(_LIST_BYTES))["installed"]
        return {name: installed[name] for name in PLUGINS.values() if name in installed}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@contextmanager
def machine_folder(home: Path, name: str) -> Iterator[Path]:
    """Make a machine's folder and hold its lock; it is removed by `forget`, never here.

    Raises:
        UsageError: No machine can have this name.
        MachineError: A machine of this name is there already.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,50}", name):
        raise UsageError(
            f"no machine can be called {name!r}", hint="use small letters, digits and dashes"
        )
    folder = home / _MACHINES / name
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise _taken(name) from None
    lock = _take(folder)
    if lock is None:  # another start was looking for remains at this moment
        raise _taken(name)
    try:
        yield folder
    finally:
        lock.close()


def _taken(name: str) -> MachineError:
    return MachineError(
        f"a machine called {name} is there already",
        hint="wait for the other run to end, or take another name",
    )


def forget(folder: Path) -> None:
    """Remove the folder of a machine that is gone."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def remains(home: Path) -> Iterator[tuple[Path, ...]]:
    """Give the folders that no living run holds, locked meanwhile."""
    held: list[tuple[Path, IO[bytes]]] = []
    machines = home / _MACHINES
    try:
        for folder in sorted(machines.iterdir()) if machines.is_dir() else ():
            lock = _take(folder) if folder.is_dir() else None
            if lock is not None:
                held.append((folder, lock))
        yield tuple(folder for folder, _ in held)
    finally:
        for _, lock in held:
            lock.close()


def _take(folder: Path) -> IO[bytes] | None:
    file = (folder / _LOCK).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
