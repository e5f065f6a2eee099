"""Set attachments up and take them down: a steward does the steps, whatever becomes of us."""

import contextlib
import fcntl
import json
import os
import shlex
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mptcp_check.errors import PreflightError
from mptcp_check.machines import process
from mptcp_check.machines.bridging import remains
from mptcp_check.machines.bridging.attachment import Attachment, AttachmentKind, Command, Rights

STEWARD = Path(__file__).with_name("steward.py")
ANSWER_LIMIT_BYTES = 65_536
END_S = 60.0
"""How long all undoing may take."""

TUNSETIFF = 0x400454CA
"""include/uapi/linux/if_tun.h."""
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


class Steward:
    """The process that does and undoes; it outlives us by as long as the undoing takes."""

    def __init__(self, directory: Path, name: str) -> None:
        self._log = directory / f"{name}.steward.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a list, no shell
                [sys.executable, "-I", "-S", str(STEWARD), str(remains.journal(directory, name))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def do(self, command: Command, undo: Sequence[Command] = ()) -> None:
        """Do one step.

        Args:
            command: What is run.
            undo: What is run at the end, in this order.

        Raises:
            PreflightError: It failed; with the words of the program.
        """
        step = json.dumps({"do": list(command), "undo": [list(c) for c in undo]})
        stdin, stdout = self._process.stdin, self._process.stdout
        line = b""
        if stdin is not None and stdout is not None:
            with contextlib.suppress(BrokenPipeError):
                stdin.write(step.encode() + b"\n")
                stdin.flush()
            line = stdout.readline(ANSWER_LIMIT_BYTES)
        if not line:
            raise PreflightError(
                "the process that sets networks up ended", hint=process.tail(self._log)
            )
        answer = json.loads(line)
        if not answer["ok"]:
            raise PreflightError(
                f"`{shlex.join(command)}` failed: {answer['said']}",
                hint="what had been set up is undone; run the command by hand to see why",
            )

    def end(self) -> None:
        """Let everything be undone, and wait for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)  # else the journal stays, for the next start


@contextlib.contextmanager
def set_up(
    planned: Sequence[Attachment], *, directory: Path, uid: int, say: Callable[[str], None]
) -> Iterator[tuple[Attachment, ...]]:
    """Set attachments up, give them, and take them down; see `network.attachments`."""
    for attachment in planned:
        require_rights(attachment, uid=uid)
    with contextlib.ExitStack() as stack:
        name = "-".join(a.device or a.interface.name for a in planned)
        steward = Steward(directory, name) if any(a.commands for a in planned) else None
        if steward is not None:
            stack.callback(steward.end)
        ready = []
        for attachment in planned:
            for line in announcement(attachment):
                say(line)
            if steward is not None:
                _do(attachment, steward)
            if attachment.kind is AttachmentKind.MACVTAP:
                descriptor = open_macvtap(attachment.device)
                stack.callback(os.close, descriptor)
                ready.append(replace(attachment, descriptor=descriptor))
            else:
                ready.append(attachment)
        yield tuple(ready)


def require_rights(attachment: Attachment, *, uid: int) -> None:
    """Raise when an attachment needs more rights than there are; PURE.

    Raises:
        PreflightError: With what to do.
    """
    if attachment.rights is Rights.USER or uid == 0:
        return
    advice = "start it again with sudo"
    if attachment.kind is AttachmentKind.BRIDGE:
        made = "; ".join(f"sudo {shlex.join(c)}" for c in attachment.commands)
        undone = "; ".join(f"sudo {shlex.join(c)}" for c in attachment.undo)
        advice += (
            f", or prepare a tap once: `{made}`, then --iface {attachment.device}"
            f" (`{undone}` removes it)"
        )
    raise PreflightError(
        f"attaching a machine to {attachment.interface.title} needs root", hint=advice
    )


def announcement(attachment: Attachment) -> Iterator[str]:
    """Give what the user is told before anything is done, line by line; PURE."""
    what = attachment.network
    yield f"{attachment.interface.title}: the machine will be {what} ({attachment.kind})"
    for note in attachment.notes:
        yield f"  note: {note}"
    for command in attachment.commands:
        yield f"  does: {shlex.join(command)}"
    for command in attachment.undo:
        yield f"  undoes: {shlex.join(command)}"


def _do(attachment: Attachment, steward: Steward) -> None:
    """Do all commands; the first one's success makes all undoing ours."""
    for index, command in enumerate(attachment.commands):
        steward.do(command, attachment.undo if index == 0 else ())


def open_macvtap(device: str, *, sysfs: Path = Path("/sys/class/net")) -> int:
    """Open a macvtap's character device for QEMU, without the vnet header.

    Raises:
        PreflightError: There is no such device, or it may not be opened.
    """
    try:
        index = (sysfs / device / "ifindex").read_text().strip()
        major, minor = (sysfs / device / "macvtap" / f"tap{index}" / "dev").read_text().split(":")
        descriptor = _open_node(Path(f"/dev/tap{index}"), os.makedev(int(major), int(minor)))
    except (OSError, ValueError) as error:
        raise PreflightError(
            f"the macvtap {device} cannot be opened: {error}",
            hint="put the interface in a bridge and use --iface with the bridge's name",
        ) from None
    try:
        request = struct.pack("16sH", device.encode(), IFF_TAP | IFF_NO_PI)
        fcntl.ioctl(descriptor, TUNSETIFF, request.ljust(40, b"\0"))
    except OSError as error:
        os.close(descriptor)
        raise PreflightError(f"the macvtap {device} refuses to be a tap: {error}") from None
    return descriptor


def _open_node(node: Path, device: int) -> int:
    """Open a device node; interfaces of other network namespaces may have taken its name."""
    flags = os.O_RDWR | os.O_CLOEXEC
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(node, flags)
        if os.fstat(descriptor).st_rdev == device:
            return descriptor
        os.close(descriptor)
    own = node.with_name(f"{node.name}-mptcp-check-{os.getpid()}")
    os.mknod(own, stat.S_IFCHR | 0o600, device)
    try:
        return os.open(own, flags)
    finally:
        own.unlink()
