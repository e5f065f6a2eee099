"""What servers must not do, and where they must listen, each between two machines or on one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agents import AgentProcess
from lab.suite import KEYS, Agents, family_of
from mptcp_check.exchanges import asking
from mptcp_check.model import Side
from mptcp_guest.messages import ServiceWanted

pytestmark = pytest.mark.lab

EACH = ("echo", "greeting-echo", "smtp", "imap", "pop3", "mqtt", "redis", "irc", "sip", "iperf3")


@pytest.fixture
def agents() -> Iterator[Agents]:
    with family_of() as pair:
        yield pair


def started(server: AgentProcess, *wanted: ServiceWanted) -> None:
    server.call("services_start", asking.services_on(wanted, KEYS))


def service(name: str, address: str, port: int) -> ServiceWanted:
    return ServiceWanted(service=name, transport="mptcp", address=address, port=port)


def test_every_server_listens_at_any_address_of_both_families_side_by_side(agents: Agents) -> None:
    server = agents[Side.SERVER]
    started(
        server,
        *(
            service(name, address, 4000 + number)
            for number, name in enumerate(EACH)
            for address in ("0.0.0.0", "::")  # noqa: S104 - a box behind a translator
        ),
    )
    assert all(state["alive"] for state in server.call("services_state")["services"])


def test_every_server_ends_with_all_its_processes(agents: Agents) -> None:
    server = agents[Side.SERVER]
    started(server, *(service(name, "10.77.0.2", 4000 + n) for n, name in enumerate(EACH)))
    inside = f"{server.work_directory}/"
    assert len(working_in(inside)) >= len(EACH)
    server.call("services_stop")
    assert working_in(inside) == []


def test_the_mail_server_is_no_relay(agents: Agents) -> None:
    started(agents[Side.SERVER], service("smtp", "10.77.0.2", 25))
    script = (
        "import smtplib, sys\n"
        "with smtplib.SMTP('10.77.0.2', 25, timeout=60) as smtp:\n"
        "    smtp.ehlo()\n"
        "    smtp.mail('client@mptcp-check.invalid')\n"
        "    for to in ('x1@mptcp-check.invalid', 'x1@example.org', 'x1%example.org@example.net',\n"
        "               '../x@mptcp-check.invalid', '@a,@b:x1@example.org'):\n"
        "        print(smtp.rcpt(to)[0], flush=True)\n"
    )
    result = agents[Side.CLIENT].call(
        "exchange",
        {
            "name": "abuse",
            "transport": "tcp",
            "commands": [["/usr/bin/python3", "-c", script]],
            "within_s": 90.0,
            "sends": None,
            "sample_every_ms": 0,
        },
    )
    codes = result["stdout_tail"].split()
    assert codes[0] == "250"
    assert len(codes) == 5
    assert all(code.startswith("5") for code in codes[1:])


@pytest.mark.parametrize(
    ("name", "port", "says", "answers"),
    [
        ("redis", 6379, b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n", b"-NOAUTH"),
        ("imap", 143, b"a login mptcp wrong\r\n", b"a NO [AUTHENTICATIONFAILED]"),
        ("irc", 6667, b"PASS wrong\r\nNICK x\r\nUSER x 0 * :x\r\n", b"Bad password"),
        ("echo", 7, b"down ../../../etc/passwd\r\n", b""),
        ("sip", 5060, b"NOTIFY sip:x@y SIP/2.0\r\nContent-Length: 0\r\n\r\n", b"SIP/2.0 405 "),
    ],
)
def test_who_is_a_stranger_gets_nothing(
    agents: Agents, name: str, port: int, says: bytes, answers: bytes
) -> None:
    started(agents[Side.SERVER], service(name, "10.77.0.2", port))
    script = (
        "import socket, sys\n"
        "with socket.create_connection(('10.77.0.2', int(sys.argv[1])), timeout=60) as c:\n"
        "    c.sendall(bytes.fromhex(sys.argv[2]))\n"
        "    said, wanted = b'', bytes.fromhex(sys.argv[3])\n"
        "    while wanted not in said or not wanted:\n"
        "        came = c.recv(4096)\n"
        "        said += came\n"
        "        if not came: break\n"
        "    sys.stdout.buffer.write(said)\n"
    )
    result = agents[Side.CLIENT].call(
        "exchange",
        {
            "name": "abuse",
            "transport": "tcp",
            "commands": [["/usr/bin/python3", "-c", script, str(port), says.hex(), answers.hex()]],
            "within_s": 90.0,
            "sends": None,
            "sample_every_ms": 0,
        },
    )
    assert result["exit_codes"] == [0], result
    assert answers.decode() in result["stdout_tail"]
    assert "root:" not in result["stdout_tail"]
    assert len(result["stdout_tail"]) < 1000


def working_in(place: str) -> list[str]:
    """Return the commands of the processes that were started in or for a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if place in f"{where}/" and "/guest.pyz" not in words:
            found.append(words)
    return found
