"""The application servers from the configuration to their end, never as root."""

import logging
import os
import pwd
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from mptcp_check import clock
from mptcp_check.errors import PreflightError, UsageError
from mptcp_check.server.configuration import Configuration, Services
from mptcp_check.server.line_protocol import listen
from mptcp_check.server.services import path_manager
from mptcp_check.server.services.programs import Programs
from mptcp_check.server.services.server_keys import kept
from mptcp_check.server.services.service import ServicesState
from mptcp_check.server.services.services_process import MOST_CONNECTIONS, ServicesProcess
from mptcp_check.server.services.session_folders import Quota, SessionFolders
from mptcp_check.server.services.shared_programs import SHARED
from mptcp_guest import machine
from mptcp_guest.lab import Lab
from mptcp_guest.messages import ServiceWanted, TransportName
from mptcp_guest.refusal import RefusalError
from mptcp_guest.serving import PROGRAMS
from mptcp_guest.serving.sharing import Caps
from mptcp_guest.waiting import Deadline, Stop

CAPABILITIES: Final = ("net_bind_service", "sys_chroot", "setgid", "setuid")
"""Ports below 1024; and FTP, which locks each session into its folder (chroot, setgroups) and
opens active data connections from port 20 as another user than its session's (seteuid)."""

NEEDED: Final = {
    "mptcpize": "mptcpize",
    "ip": "iproute2",
    "ss": "iproute2",
    "setpriv": "util-linux",
    "prlimit": "util-linux",
}
"""Tool -> the package that brings it."""
_WITHIN_S: Final = 30.0

log = logging.getLogger(__name__)


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
    _require_tools()
    if os.geteuid() == 0:
        _go_on_as(chosen)
    os.umask(0o077)
    chosen.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = kept(chosen.state)
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
    for words in path_manager_warnings(lab):
        log.warning("%s", words)
    hello = machine.hello(lab, Deadline.after(_WITHIN_S))
    wanted = offered(listeners(chosen), hello["tools"])
    programs = Programs(
        lab,
        folders.files,
        wanted,
        Caps(
            connections_count=chosen.connections,
            upload_bytes=chosen.session_bytes,
            passive_ports=chosen.passive_ports,
            keys=keys.shared,
        ),
        monotonic_ns=clock.monotonic_ns,
        wall_ns=clock.wall_ns,
    )
    process = ServicesProcess(
        programs,
        folders,
        ServicesState(
            kernel=hello["kernel"],
            machine=hello["machine"],
            tools=hello["tools"],
            programs=(),
            tls_certificate=keys.tls_certificate,
            ssh_host_key=keys.ssh_host_key_public,
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


def path_manager_warnings(lab: Lab) -> list[str]:
    """Return what is wrong with the kernel's limits, or that it does not tell them."""
    try:
        said = lab.succeed(path_manager.ASK, Deadline.after(_WITHIN_S))
    except RefusalError as e:  # applications are served over plain TCP all the same
        return [f"this kernel does not tell how it joins subflows: {e}"]
    return path_manager.warnings(said)


def listeners(chosen: Services) -> list[ServiceWanted]:
    """Return what shall run; PURE.

    A socket of Multipath TCP answers plain TCP as well, so one listener serves both: but a server
    that opens connections itself, as active FTP does, opens them as its own socket is.  So FTP is
    there a second time, on plain TCP, at a port of its own.
    """
    kinds: list[tuple[str, TransportName, tuple[int, ...]]] = [
        *((service, "mptcp", ports) for service, ports in chosen.ports_of.items()),
        ("ftp", "tcp", chosen.ftp_plain),
    ]
    return [
        ServiceWanted(service=service, transport=transport, address=address, port=port)
        for address in chosen.listen
        for service, transport, ports in kinds
        for port in ports
    ]


def offered(wanted: Sequence[ServiceWanted], tools: Mapping[str, str]) -> list[ServiceWanted]:
    """Return what of it this computer has programs for; the log names the rest.

    Args:
        wanted: What the configuration says.
        tools: The version of each tool; empty for one that is not there.

    Raises:
        PreflightError: None of them.
    """
    missing: dict[str, list[str]] = {}
    for service in dict.fromkeys(one["service"] for one in wanted):
        program, shared = PROGRAMS[service], SHARED[service]
        if program.tool and not shared.own_program and not tools.get(program.tool):
            missing.setdefault(program.package, []).append(service)
    names = " ".join(missing)
    for package, services in missing.items():
        verb = "is" if len(services) == 1 else "are"
        log.warning("%s %s not offered: apt install %s", ", ".join(services), verb, package)
    gone = {service for services in missing.values() for service in services}
    found = [one for one in wanted if one["service"] not in gone]
    if wanted and not found:
        raise PreflightError("there is no application server", hint=f"apt install {names}")
    return found


def _require_tools() -> None:
    missing = [tool for tool in NEEDED if shutil.which(tool, path=_PATH) is None]
    if missing:
        packages = " ".join(dict.fromkeys(NEEDED[tool] for tool in missing))
        raise PreflightError(
            f"the services need {', '.join(missing)}", hint=f"on Debian: apt install {packages}"
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
    setpriv = shutil.which("setpriv", path=_PATH) or "setpriv"
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
