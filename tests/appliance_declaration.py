"""A small image declaration for tests, and a kernel module made by hand."""

import struct
from typing import Any

from mptcp_appliance import kconfig
from mptcp_appliance.declaration import Declaration, Directory, User
from mptcp_appliance.kernel_declaration import BinaryKernel, SourceKernel

REQUIRED = "CONFIG_OVERLAY_FS=y  # root\nCONFIG_TUN=y  # boxes\nCONFIG_MPTCP=y  # the protocol\n"

BINARY = BinaryKernel(
    package="linux-image-cloud-%s",
    required=kconfig.merge([("required", REQUIRED)]),
    boot_modules={"CONFIG_OVERLAY_FS": ("overlay",)},
    root_modules={"CONFIG_TUN": ("tun",)},
)

SOURCE = SourceKernel(
    package="linux-source-6",
    version="6.1-1",
    requests={"amd64": kconfig.merge([("required", REQUIRED)])},
)

SMALL = Declaration(
    name="small",
    suite="bookworm",
    source_date_epoch=1_700_000_000,
    packages=("curl", "python3"),
    exclude=("etc/ssh/ssh_host_*", "usr/share/man/*", "dev/*"),
    directories=(Directory(path="srv/ftp", mode=0o750, user="mptcp"),),
    users=(User(name="mptcp", id=1000, home="/srv/ftp", shell="/bin/sh"),),  # noqa: S604 - a field
    kernel=BINARY,
    selftests=False,
    command_line=("quiet", "panic=-1"),
    consoles={"amd64": "ttyS0"},
    root_files={"etc/hostname": b"small\n", "usr/local/sbin/start": b"#!/bin/sh\n"},
    initramfs_init=b"#!/bin/busybox sh\n",
    hooks={"fetch-kernel": b"#!/bin/sh\n"},
)


def module(*texts: str) -> bytes:
    """Return an ELF object whose only content is a section .modinfo with these texts."""
    modinfo = b"".join(text.encode() + b"\0" for text in texts)
    names = b"\0.shstrtab\0.modinfo\0"
    names_at = 64
    modinfo_at = names_at + len(names)
    headers_at = modinfo_at + len(modinfo)
    identification = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    file_header = identification + struct.pack(
        "<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, headers_at, 0, 64, 0, 0, 64, 3, 1
    )

    def section(name: int, at: int, size: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, at, size, 0, 0, 1, 0)

    headers = (
        section(0, 0, 0) + section(1, names_at, len(names)) + section(11, modinfo_at, len(modinfo))
    )
    return file_header + names + modinfo + headers


def parts() -> dict[str, Any]:
    """Return what `declaration()` needs beside the text of a TOML file."""
    return {
        "fragments": {"required": REQUIRED, "amd64": "CONFIG_PVH=y  # boots faster\n"},
        "root_files": {},
        "initramfs_init": b"",
        "hooks": {},
        "where": "image.toml",
    }
