"""unbound as the measurement's name server over TCP and over TLS (RFC 7766, RFC 7858).

It hands out one zone and asks nobody: every other name is refused, and there is no datagram.
What is handed out under a name are the texts ``0.NAME``, ``1.NAME``, … of that zone.

unbound and not nsd, which ends with "setsockopt(..., IPV6_MTU, ...) failed" on an MPTCP socket;
and it says when it has read a zone, where nsd says only that it has begun.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mptcp_guest import messages, payload
from mptcp_guest.messages import DNS_PART_BYTES, DNS_ZONE, Content, Digest
from mptcp_guest.serving.program import USER, Place, Program
from mptcp_guest.serving.shelf import Shelf

STRING_BYTES = 255
"""Of one string of a text (RFC 1035, section 3.3.14)."""

FOLDER = "dns"
ZONE_FILE = "zone"
CONTROL = ".control"
RELOAD = f"UBCT1 auth_zone_reload {DNS_ZONE}\n".encode()
"""As unbound-control says it."""

CONNECTIONS_COUNT = 40
CONTROL_S = 20.0
ASCII_END = 0x80


def command(directory: Path) -> list[str]:
    """Return how unbound is started with the configuration in that directory; PURE."""
    return ["unbound", "-d", "-c", f"{directory}/unbound.conf"]


def configuration(
    directory: Path,
    folder: Path,
    control: Path,
    *,
    wanted: messages.ServiceWanted,
    user: str = USER,
    connections_count: int = CONNECTIONS_COUNT,
) -> str:
    """Return unbound.conf; PURE.

    Args:
        directory: With its keys.
        folder: With the zone, which is all that it knows.
        control: The socket by which it is told to read the zone again.
        wanted: Where it listens, and whether it speaks TLS.
        user: Whom it becomes; empty where it is nobody important already.
        connections_count: At once.
    """
    address, port, tls = wanted["address"], wanted["port"], wanted["service"] == TLS.name
    keys = _KEYS.format(directory=directory, port=port) if tls else ""
    return f"""\
server:
  directory: "{directory}"
  chroot: ""
  username: "{user}"
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  logfile: ""
  interface: {address}@{port}
  port: {port}
{keys}\
  do-udp: no
  num-threads: 1
  incoming-num-tcp: {connections_count}
  module-config: "iterator"
  access-control: 0.0.0.0/0 refuse_non_local
  access-control: ::0/0 refuse_non_local
  # unbound knows that this top level domain is nobody's; here somebody is
  local-zone: "invalid." nodefault
  hide-identity: yes
  hide-version: yes
  minimal-responses: yes
remote-control:
  control-enable: yes
  control-use-cert: no
  control-interface: "{control}"
auth-zone:
  name: "{DNS_ZONE}"
  zonefile: "{folder}/{ZONE_FILE}"
  for-downstream: yes
  for-upstream: no
  fallback-enabled: no
"""


_KEYS = """\
  tls-port: {port}
  tls-service-key: "{directory}/key.pem"
  tls-service-pem: "{directory}/certificate.pem"
"""


def texts(name: str, content: bytes) -> Iterator[str]:
    """Give the zone's lines that hold a content; PURE."""
    for number, start in enumerate(range(0, len(content), DNS_PART_BYTES)):
        part = content[start : start + DNS_PART_BYTES]
        strings = (part[at : at + STRING_BYTES] for at in range(0, len(part), STRING_BYTES))
        yield f"{number}.{name} 0 IN TXT {' '.join(map(_quoted, strings))}\n"


def zone(entries: Sequence[str]) -> str:
    """Return the zone; PURE."""
    head = f"$ORIGIN {DNS_ZONE}.\n@ 0 IN SOA @ @ 1 3600 3600 3600 0\n@ 0 IN NS @\n"
    return head + "".join(entries)


def _quoted(string: bytes) -> str:
    plain = (chr(b) if b < ASCII_END and chr(b).isalnum() else f"\\{b:03d}" for b in string)
    return f'"{"".join(plain)}"'


def write_zone(folder: Path, entries: Sequence[str]) -> None:
    """Make the zone of some entries, and have every name server read it whose control is there.

    Raises:
        OSError: There is no room, or one of them does not read it.
    """
    fresh = folder / f"{ZONE_FILE}.new"
    fresh.write_text(zone(entries))
    fresh.replace(folder / ZONE_FILE)
    for control in folder.glob(f"*{CONTROL}"):
        with suppress(ConnectionRefusedError, FileNotFoundError):  # one that has ended
            _reload(control)


def _reload(control: Path) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(CONTROL_S)
        line.connect(str(control))
        line.sendall(RELOAD)
        said = b"".join(iter(lambda: line.recv(1024), b""))
    if said.strip() != b"ok":
        raise OSError(f"unbound: {said[:200]!r}")


def _publish(files: Path) -> None:
    folder = files / FOLDER
    folder.mkdir(exist_ok=True)
    write_zone(folder, [path.read_text() for path in sorted(folder.glob("*.txt"))])


def _offer(files: Path, name: str, content: Content) -> Digest:
    folder = files / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_text("".join(texts(name, b"".join(payload.blocks(content)))))
    _publish(files)
    return payload.digest(content)


def _received(_: Path, __: str) -> Digest | None:
    return None


def _discard(files: Path, name: str) -> None:
    (files / FOLDER / f"{name}.txt").unlink(missing_ok=True)
    _publish(files)


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    folder = place.files / FOLDER
    name = f"{wanted['address']}-{wanted['port']}-{wanted['transport']}"
    control = folder / f"{name}{CONTROL}"
    control.unlink(missing_ok=True)
    if wanted["service"] == TLS.name:
        place.written("certificate.pem", arguments["tls_certificate"])
        place.written("key.pem", arguments["tls_key"], secret=True)
    _publish(place.files)
    text = configuration(place.directory, folder, control, wanted=wanted)
    place.written("unbound.conf", text)
    return command(place.directory)


_SHELF = Shelf(offer=_offer, received=_received, discard=_discard)

PROGRAM = Program(name="dns", tool="unbound", package="unbound", prepare=_prepare, shelf=_SHELF)
TLS = Program(name="dns-tls", tool="unbound", package="unbound", prepare=_prepare, shelf=_SHELF)
