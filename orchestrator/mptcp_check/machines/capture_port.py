"""Finished captures come out of a QEMU machine by a virtio-serial port of their own, not by ssh.

Under emulation sshd takes a second for the captures of a short run, most of it for enciphering
what never leaves this computer; the port takes some hundredths.  Each capture has a connection of
its own, so nothing that an earlier one left is taken for its beginning; the agent tells its digest
over ssh (`mptcp_guest.capture_port`).
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mptcp_check.errors import MachineError
from mptcp_check.machines.agent import GRACE_S, Agent
from mptcp_check.machines.qemu import CAPTURES_PORT
from mptcp_guest.messages import CaptureFile
from mptcp_guest.verbs import VERBS

LOOK_S = 0.5
"""How long one wait for bytes lasts before its end is looked for."""

READ_BYTES = 1 << 20


def received(path: Path, file: CaptureFile, *, agent: Agent, now_ns: Callable[[], int]) -> bytes:
    """Have the agent send a capture, and return what came.

    Args:
        path: QEMU's socket of the port.
        file: What the agent said of the capture; its size is how much is waited for.
        agent: In that machine.
        now_ns: Monotonic clock.

    Raises:
        MachineError: It did not come in time, or the machine went away.
        GuestError: The agent refuses.
    """
    last_ns = now_ns() + int((VERBS["capture_send"].deadline_s + GRACE_S) * 1e9)
    with ThreadPoolExecutor(1) as pool, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(LOOK_S)
        try:
            connection.connect(str(path))
        except OSError as e:
            raise MachineError(f"{agent.machine}: the port for captures: {e}") from None
        asked = {"interface": file["interface"], "port": CAPTURES_PORT}
        sending = pool.submit(agent.call, "capture_send", asked)
        content = _read(connection, file["bytes"], sending, now_ns=now_ns, last_ns=last_ns)
        sending.result()
    return content


def _read(
    connection: socket.socket,
    size_bytes: int,
    sending: Future[Any],
    *,
    now_ns: Callable[[], int],
    last_ns: int,
) -> bytes:
    """Return so many bytes, or what there is when no more will come."""
    content = bytearray()
    while len(content) < size_bytes and now_ns() < last_ns:
        if sending.done():  # QEMU may still hold some of it
            last_ns = min(last_ns, now_ns() + int(GRACE_S * 1e9))
        try:
            part = connection.recv(min(READ_BYTES, size_bytes - len(content)))
        except TimeoutError:
            continue
        except OSError:  # the machine is gone: the agent's answer says it
            break
        if not part:
            break
        content += part
    return bytes(content)
