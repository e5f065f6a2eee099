"""Rewrite the tar archive of installed packages into the archive of the root file system.

mmdebstrap's archive is read twice: once for the few files that other parts are made of,
once to leave out, alter and add. Nothing is unpacked on this machine, so no root is needed
and no owner is lost.
"""

import io
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mptcp_appliance import plan, users
from mptcp_appliance.declaration import Declaration
from mptcp_appliance.errors import ImageError

_BUSYBOX = "usr/bin/busybox"
_STATUS = "var/lib/dpkg/status"

# In PATH of every shell, and where the kernel itself looks for modprobe.
_BUSYBOX_LINKS = ("usr/sbin/modprobe", "usr/sbin/poweroff", "usr/sbin/reboot")

# Flags of a compiled Python module, PEP 552.
_HASH = bytes((3, 0, 0, 0))
_HASH_UNCHECKED = bytes((1, 0, 0, 0))

_SAY_EVERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What the other parts of the image are made of."""

    busybox: bytes
    packages: Mapping[str, str]
    """Version of every installed package, by name."""


def ingredients(archive: tarfile.TarFile) -> Ingredients:
    """Take from the package archive what is not for the root file system alone.

    Raises:
        ImageError: Something that every build has is missing.
    """
    names = {path_of(member): member for member in archive if member.isfile()}
    for path in (_BUSYBOX, _STATUS):
        if path not in names:
            raise ImageError(f"the installed packages brought no {path}")
    return Ingredients(
        busybox=content(archive, names[_BUSYBOX]),
        packages=versions(content(archive, names[_STATUS]).decode()),
    )


def fetched_package(archive: tarfile.TarFile, into: Path) -> Path:
    """Write the one package that a hook fetched, still unopened, into a folder; return its path.

    Raises:
        ImageError: There is none, or more than one.
    """
    debs = [
        member
        for member in archive
        if member.isfile() and path_of(member).startswith(f"{plan.SPOOL}/")
        if member.name.endswith(".deb")
    ]
    stream = archive.extractfile(debs[0]) if len(debs) == 1 else None
    if stream is None:
        raise ImageError(f"the hook fetched {len(debs)} packages, not one")
    target = into / Path(debs[0].name).name
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file)
    return target


def path_of(member: tarfile.TarInfo) -> str:
    """Return a member's path inside the image, without a dot or slash in front."""
    return member.name.removeprefix("./").strip("/")


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the bytes of a regular file."""
    stream = archive.extractfile(member)
    if stream is None:
        raise ImageError(f"{member.name} in the package archive is not a file")
    return stream.read()


def versions(status: str) -> dict[str, str]:
    """Return name and version of each installed package, from dpkg's status file."""
    found = {}
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.+)$", paragraph, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            found[fields["Package"]] = fields["Version"]
    return dict(sorted(found.items()))


def rewrite(
    source: tarfile.TarFile,
    output: IO[bytes],
    *,
    declaration: Declaration,
    added: Mapping[str, bytes],
    say: Callable[[str], None],
) -> None:
    """Write the archive of the root file system.

    Args:
        source: The installed packages.
        output: Where the archive goes; it is written once, front to back.
        declaration: What is left out and put over.
        added: More files, by path; the files of the declaration are added by themselves.
        say: Told from time to time how far it is.

    Raises:
        ImageError: A hard link would lead to a file that is left out.
    """
    pattern = plan.left_out(declaration)
    files = {**added, **declaration.root_files}
    written: set[str] = set()
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:

        def put(member: tarfile.TarInfo, data: bytes | IO[bytes] | None = None) -> None:
            written.add(path_of(member))
            normalise(member, mtime_s=declaration.source_date_epoch)
            archive.addfile(member, io.BytesIO(data) if isinstance(data, bytes) else data)

        for count, member in enumerate(source):
            path = path_of(member)
            if path in files or path in _BUSYBOX_LINKS or pattern.match(path):
                continue
            if member.islnk() and pattern.match(member.linkname.removeprefix("./")):
                raise ImageError(
                    f"{path} is a hard link to {member.linkname}, which the image leaves out",
                    hint="correct exclude in image.toml",
                )
            if path in users.FILES:
                text = users.with_users(path, content(source, member).decode(), declaration.users)
                member.size = len(text.encode())
                put(member, text.encode())
            elif path.endswith(".pyc") and member.isreg():
                put(member, unchecked(content(source, member)))
            else:
                put(member, source.extractfile(member) if member.isreg() else None)
            if count % _SAY_EVERY == _SAY_EVERY - 1:
                say(f"packing the root file system ({count + 1} files)")
        for member, data in additions(declaration, files, existing=written):
            put(member, data)


def unchecked(bytecode: bytes) -> bytes:
    """Return a compiled Python module that is believed without reading its source.

    PEP 552: the second word of the header says what the third is, and whether to compare it
    with the source. In an image that nobody changes the comparison only costs time, a quarter
    of an interpreter's start under emulation.
    """
    return bytecode[:4] + _HASH_UNCHECKED + bytecode[8:] if bytecode[4:8] == _HASH else bytecode


def normalise(member: tarfile.TarInfo, *, mtime_s: int) -> None:
    """Take away from a member whatever could differ between two builds."""
    member.mtime = mtime_s
    member.uname = member.gname = ""
    member.pax_headers = {}


def additions(
    declaration: Declaration, files: Mapping[str, bytes], *, existing: Iterable[str]
) -> list[tuple[tarfile.TarInfo, bytes | None]]:
    """Return what no package brings: directories, files, links; parents before children.

    Args:
        declaration: Says which directories and users there are.
        files: Content by path; what lies in a ``bin`` or ``sbin`` is a program, and
            so are the selftests.
        existing: Paths that are already in the archive.
    """
    numbers = {"root": 0, **{user.name: user.id for user in declaration.users}}
    made = {path for path in existing if path}
    members: list[tuple[tarfile.TarInfo, bytes | None]] = []

    def directory(path: str, *, mode: int = 0o755, owner: int = 0) -> None:
        if path in made:
            return
        parent = path.rpartition("/")[0]
        if parent:
            directory(parent)
        made.add(path)
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, mode, owner, owner
        members.append((member, None))

    for wanted in declaration.directories:
        if wanted.user not in numbers:
            raise ImageError(
                f"{wanted.path} shall belong to {wanted.user}, who is not declared",
                hint="add the user to image.toml, under [[users]]",
            )
        directory(wanted.path, mode=wanted.mode, owner=numbers[wanted.user])
    for path, data in sorted(files.items()):
        folder = path.rpartition("/")[0]
        directory(folder)
        member = tarfile.TarInfo(path)
        member.size = len(data)
        program = folder.endswith("bin") or folder.startswith(plan.SELFTESTS)
        member.mode = 0o755 if program else 0o644
        members.append((member, data))
    for path in _BUSYBOX_LINKS:
        directory(path.rpartition("/")[0])
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, "../bin/busybox"
        members.append((member, None))
    return members
