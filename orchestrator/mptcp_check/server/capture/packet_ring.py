"""The kernel's ring of captured packets: AF_PACKET, TPACKET_V3 (packet(7), packet_mmap.rst).

The kernel fills blocks, we read them where they are and give them back: no system call and no
copy per packet.  Needs CAP_NET_RAW.
"""

import ctypes
import mmap
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.ring_block import BLOCK_STATUS_AT
from mptcp_check.errors import PreflightError, UsageError
from mptcp_check.server.capture import packet_filter

BLOCK_BYTES: Final = 2**20
"""Longer than any packet that segmentation offload makes (64 KiB; BIG TCP: 512 KiB)."""

RETIRE_MS: Final = 50
"""A block that is not full is handed over after that time."""

_ETH_P_ALL: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 5, 6, 10
_TPACKET_V3: Final = 2
_SO_ATTACH_FILTER: Final = 26
_FRAME_BYTES: Final = 2048
"""Of no meaning for version 3, but the kernel wants the numbers to fit."""
_STATUS_USER: Final = 1


class PacketRing:
    """Packets of this network namespace, from now on.

    Args:
        ports: TCP ports, first and last of each range.
        interfaces: Names; none for all.
        ring_bytes: How much the kernel may keep for us.

    Raises:
        PreflightError: This needs rights that we do not have.
        UsageError: There is no such interface.
    """

    def __init__(
        self, ports: Sequence[tuple[int, int]], *, interfaces: Sequence[str], ring_bytes: int
    ) -> None:
        indexes = [_index(name) for name in interfaces]
        self._count = max(2, ring_bytes // BLOCK_BYTES)
        self._next = 0
        self.dropped_count = 0
        """Packets that the kernel could not keep, so far."""
        try:
            # Protocol 0 hears nothing until everything is set.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        except PermissionError:
            raise PreflightError(
                "capturing needs the capability CAP_NET_RAW",
                hint="run it by its systemd unit, or as root",
            ) from None
        try:
            self._attach(packet_filter.program(ports, loopback=_index("lo"), interfaces=indexes))
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            frames = self._count * (BLOCK_BYTES // _FRAME_BYTES)
            request = (BLOCK_BYTES, self._count, _FRAME_BYTES, frames, RETIRE_MS, 0, 0)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, struct.pack("7I", *request))
            self._map = mmap.mmap(self._socket.fileno(), self._count * BLOCK_BYTES)
            self._bind()
        except BaseException:
            self._socket.close()
            raise
        ring = np.frombuffer(self._map, dtype=np.uint8)
        self._blocks = [
            ring[at : at + BLOCK_BYTES] for at in range(0, self._count * BLOCK_BYTES, BLOCK_BYTES)
        ]

    def fileno(self) -> int:
        """Return what a selector waits for."""
        return self._socket.fileno()

    def filled(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield each block that is filled, read-only; it goes back when the next is asked for."""
        for _ in range(self._count):
            block = self._blocks[self._next]
            status = block[BLOCK_STATUS_AT : BLOCK_STATUS_AT + 4]
            if not int.from_bytes(status.tobytes(), sys.byteorder) & _STATUS_USER:
                return
            view = block.view()
            view.flags.writeable = False
            try:
                yield view
            finally:
                status[:] = 0  # TP_STATUS_KERNEL
                self._next = (self._next + 1) % self._count

    def count_drops(self) -> None:
        """Bring `dropped_count` up to date; the kernel forgets what it told."""
        told = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
        _, dropped, _ = struct.unpack("3I", told)
        self.dropped_count += dropped

    def close(self) -> None:
        """End it; blocks that were not read are lost."""
        self._blocks = []
        self._socket.close()

    def _attach(self, instructions: Sequence[packet_filter.Instruction]) -> None:
        code = ctypes.create_string_buffer(packet_filter.octets(instructions))
        program = struct.pack("@HP", len(instructions), ctypes.addressof(code))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def _bind(self) -> None:
        # Python's bind() wants an interface's name; index 0 is all of them.
        address = struct.pack(
            "=HHiHBB8s", socket.AF_PACKET, socket.htons(_ETH_P_ALL), 0, 0, 0, 0, b""
        )
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.bind(self._socket.fileno(), address, len(address)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise UsageError(f"there is no interface {name}", hint="see `ip link`") from None
