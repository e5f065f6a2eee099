"""The sandbox seen from outside: one process that owns every namespace of a lab.

``unshare`` gives it namespaces for the network, mounts and processes; as an ordinary user also one
for users.  It is process 1 in there: when it ends, the kernel ends everything inside, and with the
last process the namespaces go.  It ends when its standard input does, so also after ``kill -9`` of
this program.  No name of it ever stands in ``/run/netns``.
"""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from mptcp_check.errors import MachineError, MptcpCheckError, PreflightError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.lab.kernel_boxes import PREFIX
from mptcp_check.machines.missing_programs import client_needs, server_needs

ALWAYS: Final = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
TOOLS: Final = ("unshare", "nsenter", "ip", "ethtool", "ss", "nstat", "sysctl")
"""What a lab cannot do without; Debian's util-linux, iproute2, ethtool and procps."""
_TRY_S: Final = 10
_END_S: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to have namespaces."""

    flags: tuple[str, ...]
    words: str
    many_users: bool
    """Whether servers can change to a user of their own in there."""


WAYS: Final = (
    Way(flags=(), words="as root", many_users=True),
    Way(
        flags=("--user", "--map-root-user", "--map-auto"),
        words="in a user namespace",
        many_users=True,
    ),
    Way(
        flags=("--user", "--map-root-user"),
        words="in a user namespace with one user",
        many_users=False,
    ),
)
"""In the order in which they are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """Whether this computer lets us have a lab."""

    way: Way | None
    reason: str
    """Why not; empty when there is a way."""


def possible() -> Possible:
    """Try the ways to have namespaces and return the first that works."""
    if sys.platform != "linux":
        return Possible(way=None, reason="network namespaces are Linux's")
    missing = [tool for tool in TOOLS if _found(tool) is None]
    if missing:
        return Possible(way=None, reason=f"{', '.join(missing)} is not installed")
    said = ""
    for way in WAYS:
        command = ["unshare", *way.flags, *ALWAYS, "test", "-e", "/proc/sys/net/mptcp/enabled"]
        try:
            tried = subprocess.run(  # noqa: S603 - a fixed list
                command, capture_output=True, timeout=_TRY_S, check=False
            )
        except subprocess.TimeoutExpired:
            said = "unshare does not end"
            continue
        if tried.returncode == 0:
            return Possible(way=way, reason="")
        words = tried.stderr.decode(errors="replace").strip()
        said = words or "this kernel has no Multipath TCP"
    return Possible(way=None, reason=said)


def required(behaviours: Sequence[str] = (), apps: Sequence[str] = ()) -> Way:
    """Return the way to have a lab.

    Args:
        behaviours: What will be played; boxes of the kernel need its tools.
        apps: What will run; real servers need programs, and a user of their own.

    Raises:
        PreflightError: There is none, and why.
    """
    tools, many_users = needs(behaviours, apps)
    missing = [tool for tool in tools if _found(tool) is None]
    if missing:
        raise PreflightError(
            f"{', '.join(missing)} is not installed", hint="install it, or --apps stream"
        )
    found = possible()
    if found.way is None:
        raise PreflightError(
            f"no network namespaces here: {found.reason}",
            hint="use root, or --machines to play it between virtual machines",
        )
    if many_users and not found.way.many_users:
        raise PreflightError(
            "http and ftp servers change to a user of their own, and this user has one only",
            hint="use root, have subordinate users in /etc/subuid, or --apps stream",
        )
    return found.way


class Sandbox:
    """A sandbox that runs; use it in a ``with`` statement.

    Args:
        way: From `required`.
    """

    def __init__(self, way: Way) -> None:
        command = ["unshare", *way.flags, *ALWAYS]
        command += [sys.executable, "-P", "-m", "mptcp_check.lab.resident"]
        # a session of its own: a terminal's Ctrl-C is for us, and our end is its end
        self._process = subprocess.Popen(  # noqa: S603 - a list
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PATH": _search_path()},
        )
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="sandbox", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Send a request and give what comes back, the last one with the key ``done``.

        Raises:
            MptcpCheckError: What was raised inside, with its exit code.
        """
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None
        while True:
            line = self._lines.get()
            if line is None:
                raise self._gone()
            said = json.loads(line)
            if "failed" in said:
                raise _failure(said["failed"])
            yield said
            if "done" in said:
                return

    def result(self, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the request's own
        """Send a request and return its result; see `ask`."""
        return list(self.ask(request))[-1]["done"]

    def close(self) -> None:
        """End everything inside; a second call does nothing."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # unshare's child goes with it
            self._process.wait()
        self._reader.join(_END_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _gone(self) -> MachineError:
        return MachineError(
            f"the lab ended by itself with exit code {self._process.wait()}",
            hint="its last words are above",
        )


def _failure(said: Mapping[str, Any]) -> MptcpCheckError:
    error = MptcpCheckError(said["message"], hint=said["hint"])
    error.exit_code = said["exit_code"]
    return error


def _found(tool: str) -> str | None:
    return shutil.which(tool, path=_search_path())


def _search_path() -> str:
    """Return PATH with the system's administration tools, which users often lack."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    **{
        app: (*server_needs([app])[app], *client_needs([app])[app], "mptcpize")
        for app in APPLICATIONS
    },
    PREFIX: ("nft", "iptables", "ip6tables"),
}
"""Tools beside `TOOLS` that an application or a box of the kernel needs."""


def needs(behaviours: Sequence[str], apps: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Return the tools that some boxes and applications need, and whether many users; PURE."""
    servers = [app for app in apps if app in NEEDS]
    boxes = [PREFIX for text in behaviours if text.startswith(PREFIX)]
    tools = dict.fromkeys(tool for name in (*servers, *boxes) for tool in NEEDS[name])
    return tuple(tools), bool(servers)
