import dataclasses
import io
import stat
import tarfile
from importlib import _bootstrap_external
from pathlib import Path

import pytest

from appliance_declaration import SMALL
from mptcp_appliance import rootfs
from mptcp_appliance.declaration import Declaration, Directory
from mptcp_appliance.errors import ImageError

STATUS = """Package: curl
Status: install ok installed
Version: 7.88-1

Package: gone
Status: deinstall ok config-files
Version: 1
"""
PACKAGES = {
    "./.mptcp-check/linux-image-1_amd64.deb": b"DEB",
    "./etc/hostname": b"builder\n",
    "./etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
    "./etc/ssh/ssh_host_ed25519_key": b"SECRET",
    "./usr/bin/busybox": b"BB",
    "./var/lib/dpkg/status": STATUS.encode(),
}


def archive(files: dict[str, bytes], *extra: tarfile.TarInfo, mtime: int = 5) -> tarfile.TarFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("./", "./etc", "./usr", "./usr/bin"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, mtime
            tar.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname = len(data), mtime, "somebody"
            tar.addfile(member, io.BytesIO(data))
        for member in extra:
            tar.addfile(member)
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


def rewritten(
    source: tarfile.TarFile, declaration: Declaration = SMALL, added: dict[str, bytes] | None = None
) -> bytes:
    output = io.BytesIO()
    rootfs.rewrite(source, output, declaration=declaration, added=added or {}, say=lambda _: None)
    return output.getvalue()


def members(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {}
        for member in tar:
            assert member.name not in found, "written twice"
            stream = tar.extractfile(member) if member.isreg() else None
            found[member.name.removeprefix("./")] = (member, stream.read() if stream else b"")
        return found


def test_what_is_left_out_is_gone_what_is_put_over_wins_the_rest_stays() -> None:
    found = members(rewritten(archive(PACKAGES)))

    assert "etc/ssh/ssh_host_ed25519_key" not in found
    assert not any(path.startswith(".mptcp-check") for path in found)
    assert found["etc/hostname"][1] == b"small\n"
    assert found["usr/bin/busybox"][1] == b"BB"


def test_users_and_their_directories_are_there() -> None:
    found = members(rewritten(archive(PACKAGES)))

    assert found["etc/passwd"][1].endswith(b"\nmptcp:x:1000:1000::/srv/ftp:/bin/sh\n")
    directory = found["srv/ftp"][0]
    assert (directory.isdir(), directory.uid, directory.gid) == (True, 1000, 1000)
    assert directory.mode == 0o750
    assert found["srv"][0].isdir()


def test_what_lies_in_sbin_can_be_run_and_modprobe_is_busybox() -> None:
    found = members(rewritten(archive(PACKAGES), added={"usr/lib/modules/6/x.ko": b"KO"}))

    assert found["usr/local/sbin/start"][0].mode & stat.S_IXOTH
    assert found["usr/lib/modules/6/x.ko"][0].mode == 0o644
    assert found["usr/sbin/modprobe"][0].linkname == "../bin/busybox"


def test_every_directory_comes_before_what_lies_in_it() -> None:
    seen = {""}
    for path, (member, _) in members(rewritten(archive(PACKAGES))).items():
        parent = path.rpartition("/")[0]
        # the fixture itself has files without their folder, as no package has
        assert parent in seen or path.startswith("var/"), path
        if member.isdir():
            seen.add(path.strip("/"))


def test_neither_the_time_nor_the_name_of_the_builder_gets_in() -> None:
    early, late = (rewritten(archive(PACKAGES, mtime=mtime)) for mtime in (5, 6))

    assert early == late
    for member, _ in members(early).values():
        assert (member.mtime, member.uname, member.gname) == (SMALL.source_date_epoch, "", "")


def test_compiled_python_modules_are_believed_and_their_code_stays() -> None:
    by_hash = _bootstrap_external._code_to_hash_pyc(  # type: ignore[attr-defined]
        compile("x = 1", "x.py", "exec"), b"12345678"
    )
    by_time = bytes(by_hash[:4]) + bytes(4) + bytes(by_hash[8:])
    files = {**PACKAGES, "./a.pyc": bytes(by_hash), "./b.pyc": by_time, "./c.pyc": b""}

    found = members(rewritten(archive(files)))

    check_source = 0b10
    assert by_hash[4] & check_source
    assert not found["a.pyc"][1][4] & check_source
    assert found["a.pyc"][1][8:] == by_hash[8:]
    assert found["b.pyc"][1] == by_time
    assert found["c.pyc"][1] == b""


def test_a_hard_link_to_what_is_left_out_is_an_error() -> None:
    link = tarfile.TarInfo("./usr/bin/man")
    link.type, link.linkname = tarfile.LNKTYPE, "./usr/share/man/man1"

    with pytest.raises(ImageError, match="usr/bin/man is a hard link"):
        rewritten(archive(PACKAGES, link))


def test_a_directory_of_a_stranger_is_an_error() -> None:
    directories = (Directory(path="srv", mode=0o755, user="nobody-declared"),)

    with pytest.raises(ImageError, match="nobody-declared, who is not declared"):
        rewritten(archive(PACKAGES), dataclasses.replace(SMALL, directories=directories))


def test_the_other_parts_find_their_ingredients() -> None:
    found = rootfs.ingredients(archive(PACKAGES))

    assert found.busybox == b"BB"
    assert found.packages == {"curl": "7.88-1"}


def test_the_package_that_a_hook_fetched_is_written_unopened(tmp_path: Path) -> None:
    found = rootfs.fetched_package(archive(PACKAGES), tmp_path)

    assert found == tmp_path / "linux-image-1_amd64.deb"
    assert found.read_bytes() == b"DEB"


@pytest.mark.parametrize(
    ("debs", "message"), [((), "fetched 0 packages"), (("a", "b"), "fetched 2 packages")]
)
def test_a_hook_fetches_one_package(tmp_path: Path, debs: tuple[str, ...], message: str) -> None:
    files = {f"./.mptcp-check/{name}.deb": b"DEB" for name in debs}

    with pytest.raises(ImageError, match=message):
        rootfs.fetched_package(archive(files), tmp_path)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("./usr/bin/busybox", "no usr/bin/busybox"),
        ("./var/lib/dpkg/status", "no var/lib/dpkg/status"),
    ],
)
def test_a_missing_ingredient_is_named(missing: str, message: str) -> None:
    files = {name: data for name, data in PACKAGES.items() if name != missing}

    with pytest.raises(ImageError, match=message):
        rootfs.ingredients(archive(files))
