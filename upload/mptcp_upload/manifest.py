"""The manifest of a run directory: which files belong to it, with size and SHA-256 of each.

It is written last, so a directory without one is not a run; and it is what an archive of the run
is made from, so the list is canonical: sorted by name, no times, no absolute paths.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

SCHEMA = "mptcp-check.manifest/1"
NAME = "manifest.json"
CHUNK_BYTES = 1 << 20


class ManifestError(Exception):
    """A run directory that is not what its manifest says, or has none.

    Args:
        message: Names the file and the difference.
        hint: The next step.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def build(directory: Path, *, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of all files below ``directory``.

    Args:
        directory: The run; every regular file in it becomes a member, but for the manifest.
        about: Versions and identities that travel with the run (tool, image, kernel, …).

    Raises:
        ManifestError: A member is a symbolic link or something else that is no regular file.
    """
    members = {}
    for path in sorted(directory.rglob("*")):
        name = str(PurePosixPath(path.relative_to(directory)))
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ManifestError(
                f"{name} is not a regular file", hint="a run holds plain files only"
            )
        if path.is_file() and name != NAME:
            members[name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    return {"schema": SCHEMA, **about, "members": members}


def write(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest: whole or not at all."""
    temporary = directory / f"{NAME}.new"
    temporary.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    temporary.replace(directory / NAME)


def read(directory: Path) -> dict[str, Any]:
    """Return the manifest of a run.

    Raises:
        ManifestError: There is none, or it is not one of ours.
    """
    path = directory / NAME
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ManifestError(
            f"{directory} has no {NAME}", hint="the run was not finished; start it again"
        ) from None
    except (OSError, ValueError) as e:
        raise ManifestError(f"{path} cannot be read: {e}") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise ManifestError(f"{path} is not a manifest of schema {SCHEMA}")
    if not isinstance(manifest.get("members"), dict):
        raise ManifestError(f"{path} names no members")
    return manifest


def differences(directory: Path) -> tuple[str, ...]:
    """Say how the files differ from the manifest, one sentence each; none means the run is whole.

    Raises:
        ManifestError: There is no manifest to compare with.
    """
    wanted = read(directory)["members"]
    there = build(directory, about={})["members"]
    said = [f"{name} is missing" for name in sorted(wanted.keys() - there.keys())]
    said += [f"{name} is not in the manifest" for name in sorted(there.keys() - wanted.keys())]
    said += [
        f"{name} was changed"
        for name in sorted(wanted.keys() & there.keys())
        if wanted[name] != there[name]
    ]
    return tuple(said)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
