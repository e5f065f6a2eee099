"""FTP's old abuse: a server that is told an address connects to it, whoever's it is."""

import socket
from collections.abc import Iterator

import pytest

from mptcp_check.machines.namespace import entered
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.services import Services
from system.public_server import PublicServer, public_server
from system.real_site import DESK, LAPTOP, SERVER, SERVER6, Site

pytestmark = pytest.mark.lab

LIMIT_S = 120
OWN6, OTHER6 = "fd88:0::10", "fd88:1::1"
LISTENING = 40_000


@pytest.fixture(scope="module")
def server(place: Site) -> Iterator[PublicServer]:
    with place.six(), public_server(place, apps=("ftp",), listen='["0.0.0.0", "::"]') as made:
        yield made


@pytest.fixture
def account(place: Site, server: PublicServer) -> Iterator[Services]:
    with entered(place.name("laptop")):
        session = RemoteSession.create(server.connection(), "run-of-an-abuser")
        services = session.open_services()
    yield services
    with entered(place.name("laptop")):
        session.delete()


def answers(place: Site, server: str, own: str, account: Services, *lines: str) -> list[int]:
    """Log in from an address, say lines, and return the code of the answer to each."""
    with entered(place.name("laptop")):
        made = socket.create_connection((server, 21), timeout=LIMIT_S, source_address=(own, 0))
    codes = []
    with made, made.makefile("rb") as stream:
        for said in ("", f"USER {account.user}", f"PASS {account.password}", *lines):
            made.sendall(f"{said}\r\n".encode() if said else b"")
            answer = stream.readline(1000)
            while answer[3:4] == b"-":  # the last line of several has no dash (RFC 959, 4.2)
                answer = stream.readline(1000)
            codes.append(int(answer[:3]))
    assert codes[:3] == [220, 331, 230]
    return codes[3:]


@pytest.mark.parametrize(
    ("server_at", "own", "foreign", "ours"),
    [
        (
            SERVER,
            LAPTOP,
            (f"PORT {DESK.replace('.', ',')},156,64", f"EPRT |1|{DESK}|{LISTENING}|",
             f"EPRT |2|{OTHER6}|{LISTENING}|", f"PORT {SERVER.replace('.', ',')},0,22",
             "PORT 127,0,0,1,0,22"),
            (f"PORT {LAPTOP.replace('.', ',')},156,64", f"EPRT |1|{LAPTOP}|{LISTENING}|"),
        ),
        (
            SERVER6,
            OWN6,
            (f"EPRT |2|{OTHER6}|{LISTENING}|", f"EPRT |1|{DESK}|{LISTENING}|",
             f"EPRT |2|{SERVER6}|22|", "EPRT |2|::1|22|"),
            (f"EPRT |2|{OWN6}|{LISTENING}|",),
        ),
    ],
    ids=["IPv4", "IPv6"],
)  # fmt: skip
def test_a_port_of_somebody_else_is_refused_and_ones_own_is_taken(
    place: Site,
    account: Services,
    *,
    server_at: str,
    own: str,
    foreign: tuple[str, ...],
    ours: tuple[str, ...],
) -> None:
    refused = answers(place, server_at, own, account, *foreign)
    assert [code // 100 for code in refused] == [5] * len(foreign), refused
    assert answers(place, server_at, own, account, *ours) == [200] * len(ours)
