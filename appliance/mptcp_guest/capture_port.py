"""Captures leave a machine of ours by a virtio-serial port, which is as quick as memory.

Nothing is said on it but captures, one after the other and only when they were asked for; what was
sent is compared with the digest that was told before.  The port is never waited on by the kernel:
virtio_console holds a processor of the machine as long as a blocking write is not taken.
"""

import os
from pathlib import Path

from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline, Stop

PORTS = Path("/sys/class/virtio-ports")
DEVICES = Path("/dev")

PART_BYTES = 32 * 1024
"""What virtio_console takes of one write."""
FULL_S = 0.005
"""How long to wait when the host has not read yet what was sent."""


def device(name: str, *, ports: Path = PORTS, devices: Path = DEVICES) -> Path:
    """Return the device of the port that the hypervisor gave this name.

    Raises:
        RefusalError: There is none.
    """
    for entry in sorted(ports.glob("*/name")):
        if entry.read_text(errors="replace").strip() == name:
            return devices / entry.parent.name
    raise RefusalError("bad_arguments", f"this machine has no port {name[:40]!r}")


def send(path: Path, port: Path, *, stop: Stop, until: Deadline) -> None:
    """Write a whole file to a port.

    Raises:
        RefusalError: The host did not read it in time, or went away.
        OSError: The file cannot be read, or the port is somebody else's or gone.
    """
    descriptor = os.open(port, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with path.open("rb") as file:
            while part := file.read(PART_BYTES):
                _write(descriptor, memoryview(part), stop=stop, until=until)
    finally:
        os.close(descriptor)


def _write(descriptor: int, rest: memoryview, *, stop: Stop, until: Deadline) -> None:
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            if not until.left_s:
                raise RefusalError("deadline", "the host did not read the capture") from None
            stop.wait(FULL_S)
