"""Vagrant's own home below ours: the boxes that it took in, and the plugins it is lent.

The user's home of Vagrant is only read.  Boxes are compared with what was taken in before each boot
of one, as images are.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Final

from mptcp_appliance import durable
from mptcp_appliance.image import file_digest

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
