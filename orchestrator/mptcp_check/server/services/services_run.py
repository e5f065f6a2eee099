"""The application servers from the configuration to their end, never as root."""

import os
import pwd
import secrets
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from mptcp_check import clock
from mptcp_check.errors import PreflightError, UsageError
from mptcp_check.server.configuration import Configuration, Services
from mptcp_check.server.line_protocol import listen
from mptcp_check.server.services.programs import Programs
from mptcp_check.server.services.service import ServicesState
from mptcp_check.server.services.services_process import MOST_CONNECTIONS, ServicesProcess
from mptcp_check.server.services.session_folders import Quota, SessionFolders
from mptcp_guest import machine
from mptcp_guest.lab import Lab
from mptcp_guest.messages import ServiceWanted, TransportName
from mptcp_guest.serving import PROGRAMS
from mptcp_guest.serving.sharing import Caps
from mptcp_guest.waiting import Deadline, Stop

CAPABILITIES: Final = ("net_bind_service", "sys_chroot", "setgid", "setuid")
"""Ports below 1024; and FTP, which locks each session into its folder (chroot, setgroups) and
opens active data connections from port 20 as another user than its session's (seteuid)."""

NEEDED: Final = ("mptcpize", "ss")
_WITHIN_S: Final = 30.0


def run(configuration: Configuration, *, orphaned: Callable[[], bool] = lambda: False) -> None:
    """Serve until SIGTERM or SIGINT; sessions' folders are there for the next start.

    Started by root, it goes on as `services.user`, with `CAPABILITIES` and nothing else.

    Args:
        configuration: What to serve, and where.
        orphaned: Says that whoever started us is gone: then we end, too.

    Raises:
        PreflightError: A program is missing.
        UsageError: The user is not there, or the control socket is taken.
    """
    chosen = configuration.services
    wanted = listeners(chosen)
    _require_tools(wanted)
    if os.geteuid() == 0:
        _go_on_as(chosen)
    os.umask(0o077)
    chosen.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop = Stop()
    lab = Lab(work_directory=chosen.state, stop=stop, own_network=True)
    folders = SessionFolders(
        chosen.state,
        Quota(
            offer_bytes=chosen.offer_bytes,
            session_bytes=chosen.session_bytes,
            session_files=chosen.session_files,
            disk_free_min_bytes=chosen.disk_free_min_bytes,
        ),
        free_bytes=_free_bytes,
    )
    programs = Programs(
        lab,
        folders.files,
        wanted,
        Caps(
            connections_count=chosen.connections,
            upload_bytes=chosen.session_bytes,
            passive_ports=chosen.passive_ports,
        ),
        monotonic_ns=clock.monotonic_ns,
        wall_ns=clock.wall_ns,
    )
    hello = machine.hello(lab, Deadline.after(_WITHIN_S))
    process = ServicesProcess(
        programs,
        folders,
        ServicesState(
            kernel=hello["kernel"], machine=hello["machine"], tools=hello["tools"], programs=()
        ),
        wall_ns=clock.wall_ns,
        random_bytes=secrets.token_bytes,
        orphaned=orphaned,
    )

    def end(_signal: int, _frame: FrameType | None) -> None:
        process.ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    listening = listen(chosen.control, backlog=MOST_CONNECTIONS, what="process of services")
    try:
        process.serve(listening)
    finally:
        listening.close()
        chosen.control.unlink(missing_ok=True)


def listeners(chosen: Services) -> list[ServiceWanted]:
    """Return what shall run; PURE.

    A socket of Multipath TCP answers plain TCP as well, so one listener serves both: but a server
    that opens connections itself, as active FTP does, opens them as its own socket is.  So FTP is
    there a second time, on plain TCP, at a port of its own.
    """
    kinds: tuple[tuple[str, TransportName, tuple[int, ...]], ...] = (
        ("http", "mptcp", chosen.http),
        ("ftp", "mptcp", chosen.ftp),
        ("ftp", "tcp", chosen.ftp_plain),
    )
    return [
        ServiceWanted(service=service, transport=transport, address=address, port=port)
        for address in chosen.listen
        for service, transport, ports in kinds
        for port in ports
    ]


def _require_tools(wanted: list[ServiceWanted]) -> None:
    programs = [PROGRAMS[name] for name in dict.fromkeys(one["service"] for one in wanted)]
    tools = (*NEEDED, *(program.tool for program in programs))
    missing = [tool for tool in tools if shutil.which(tool, path=_PATH) is None]
    if missing:
        packages = {program.tool: program.package for program in programs}
        names = " ".join(packages.get(tool, tool) for tool in missing)
        raise PreflightError(
            f"the services need {', '.join(missing)}", hint=f"on Debian: apt install {names}"
        )


_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _go_on_as(chosen: Services) -> None:
    """Become the services' user, with what the programs need of root and no more; no return.

    Raises:
        UsageError: There is no such user, or its folders cannot be made.
        PreflightError: setpriv is missing.
    """
    try:
        user = pwd.getpwnam(chosen.user)
    except KeyError:
        raise UsageError(
            f"services.user: there is no user {chosen.user}", hint=f"useradd --system {chosen.user}"
        ) from None
    if user.pw_uid == 0:
        raise UsageError("services.user: the services do not run as root")
    for folder in (chosen.state, chosen.control.parent):
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as e:
            raise UsageError(f"{folder} cannot be made: {(e.strerror or str(e)).lower()}") from None
    shutil.chown(chosen.state, user.pw_uid, user.pw_gid)
    _lend(chosen.control.parent, user)
    setpriv = shutil.which("setpriv", path=_PATH)
    if setpriv is None:
        raise PreflightError("the services need setpriv", hint="on Debian: apt install util-linux")
    wanted = ",".join(f"+{name}" for name in CAPABILITIES)
    words = [
        *(setpriv, "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"),
        *("--inh-caps", f"-all,{wanted}", "--ambient-caps", f"-all,{wanted}"),
        *("--bounding-set", f"-all,{wanted}", "--no-new-privs", "--"),
    ]
    # root's own home and settings are not theirs to read
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = {**kept, "HOME": str(chosen.state), "USER": chosen.user}
    os.execve(setpriv, [*words, sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - ourselves


def _lend(folder: Path, user: pwd.struct_passwd) -> None:
    """Let a user make a socket in a folder that is root's alone, as /run/NAME is."""
    about = folder.stat()
    if about.st_uid == 0 and about.st_mode & 0o002 == 0:
        shutil.chown(folder, user.pw_uid, user.pw_gid)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
