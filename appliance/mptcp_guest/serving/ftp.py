"""pure-ftpd as the measurement's ftp and ftps server, with one user and a password for this run.

pure-ftpd and not vsftpd, which dies with "500 OOPS: setsockopt: oobinline" as soon as a peer
negotiates MPTCP.  A PORT or EPRT to another host than the client is refused unless -w or -W is
given: they never are.  The user exists in a file of pure-ftpd's only.
"""

import ctypes
import pwd
import secrets
from collections.abc import Sequence
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.serving.program import USER, Place, Program

ROUNDS = 1000
"""The least that crypt(5) takes: pure-pw's own choice costs six seconds for each login here, and
a random password that lives for one run needs no stretching."""

CLIENTS_COUNT = 20
CERTIFICATE = "certificate.pem"
"""With its key."""
USERS = "users.pdb"
"""The user file as pure-ftpd reads it."""


def command(
    directory: Path,
    *,
    address: str,
    port: int,
    passive_ports: Sequence[int],
    clients_count: int = CLIENTS_COUNT,
    tls: bool = False,
) -> list[str]:
    """Return how pure-ftpd is started; PURE.

    Args:
        directory: Holds its user file and its pid file.
        address: The one address it listens on.
        port: Of the control connection.
        passive_ports: First and last port of passive data connections.
        clients_count: Control connections at once.
        tls: Whether it speaks TLS to who says AUTH TLS (RFC 4217); then the directory holds
            `CERTIFICATE` too.
    """
    ports = f"{passive_ports[0]}:{passive_ports[-1]}"
    return [
        "pure-ftpd",
        *("--bind", f"{address},{port}"),
        *("--login", f"puredb:{directory}/{USERS}"),
        *("--pidfile", f"{directory}/pid"),
        *("--passiveportrange", ports),
        *("--maxclientsnumber", str(clients_count)),
        *("--maxclientsperip", str(clients_count)),
        *("--maxidletime", "1"),
        *("--minuid", "1"),  # www-data is a system user
        *("--syslogfacility", "none"),
        "--noanonymous",
        "--chrooteveryone",
        "--dontresolve",
        *(("--tls", "1", "--certfile", f"{directory}/{CERTIFICATE}") if tls else ()),
    ]


def users_command(directory: Path) -> list[str]:
    """Return how the user file is turned into what pure-ftpd reads; PURE."""
    return ["pure-pw", "mkdb", f"{directory}/{USERS}", "-f", f"{directory}/users"]


def users_line(name: str, password: str, *, uid: int, gid: int, home: Path) -> str:
    """Return the user file's line for a user who cannot leave his home.

    Raises:
        OSError: The C library knows no SHA-512 crypt.
    """
    return account_line(name, hashed(password), uid=uid, gid=gid, home=home)


def account_line(name: str, password_hash: str, *, uid: int, gid: int, home: Path) -> str:
    """Return the user file's line for a user whose password was hashed before; PURE."""
    return f"{name}:{password_hash}:{uid}:{gid}::{home}/./::::::::::::\n"


def hashed(password: str) -> str:
    """Return the hash of a password as crypt(3) makes it.

    Raises:
        OSError: The C library knows no SHA-512 crypt.
    """
    # crypt(3) of the library that pure-ftpd itself uses; Python's own module is going away
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    setting = f"$6$rounds={ROUNDS}${secrets.token_hex(8)}$"
    made: bytes | None = library.crypt(password.encode(), setting.encode())
    if made is None or not made.startswith(b"$6$"):
        raise OSError("crypt(3) has no SHA-512")
    return made.decode()


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    users = _users(place, arguments)
    keys = arguments["tls_certificate"] + arguments["tls_key"]
    place.written(CERTIFICATE, keys, secret=True)
    (place.directory / USERS).symlink_to(users)
    return command(
        place.directory,
        address=wanted["address"],
        port=wanted["port"],
        passive_ports=arguments["passive_ports"],
        tls=True,
    )


def _users(place: Place, arguments: messages.ServicesStartArguments) -> Path:
    """Return what pure-ftpd reads of the run's user: the first of its instances has it made.

    They have the same user, and a process costs an emulated machine a tenth of a second.
    """
    shared = place.directory.parent / "ftp"
    if not shared.exists():
        shared.mkdir(mode=0o700)
        owner = pwd.getpwnam(USER)
        line = users_line(
            arguments["user"],
            arguments["password"],
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            home=place.files,
        )
        Place(lab=place.lab, directory=shared, files=place.files, until=place.until).written(
            "users", line, secret=True
        )
        place.lab.succeed(users_command(shared), place.until)
    return shared / USERS


PROGRAM = Program(name="ftp", tool="pure-ftpd", package="pure-ftpd", prepare=_prepare)
