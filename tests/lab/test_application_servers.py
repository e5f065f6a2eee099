"""What the servers of the applications refuse, and how somebody in between is found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agents import AgentProcess, lab_up, machines
from lab.suite import KEYS, run_exchange, start_services
from mptcp_check.exchanges import APPLICATIONS, asking, credentials, ssh, tls
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.machines import addresses
from mptcp_check.model import Exchange, Side, Transfer, Transport
from mptcp_guest.messages import STREAM_SUFFIX

pytestmark = pytest.mark.lab

Agents = dict[Side, AgentProcess]
SERVER = "10.77.0.3"
"""Where everything is offered over plain TCP."""


@pytest.fixture(scope="module")
def agents() -> Iterator[Agents]:
    with machines() as pair:
        lab_up(pair)
        yield pair


@pytest.fixture
def server(agents: Agents) -> Iterator[AgentProcess]:
    yield agents[Side.SERVER]
    agents[Side.SERVER].call("services_stop")


def control(app: str, mode: str | None, direction: Transfer = Transfer.DOWNLOAD) -> Exchange:
    return next(
        e
        for e in plan([app], Depth.FULL)
        if (e.mode, e.direction, e.transport) == (mode, direction, Transport.TCP)
    )


def tried(agents: Agents, app: str, *commands: list[str]) -> tuple[list[int], str]:
    """Run commands at the client with an application's files, and return how they ended."""
    target = Target(address=SERVER, file="x", credentials=KEYS[0])
    result = agents[Side.CLIENT].call(
        "exchange",
        {
            "name": "abuse",
            "transport": "tcp",
            "commands": list(commands),
            "files": dict(APPLICATIONS[app].files(target)),
            "within_s": 150.0,
            "sends": {"seed": "abuse", "bytes": 100},
            "sample_every_ms": 0,
        },
    )
    return result["exit_codes"], result["stdout_tail"] + result["stderr_tail"]


@pytest.mark.parametrize(
    ("app", "mode", "words"),
    [
        ("dns-tls", None, tls.INTERCEPTED),
        ("ftps", "active", tls.INTERCEPTED),
        ("ftps", "passive", tls.INTERCEPTED),
        ("https", "h2", tls.INTERCEPTED),
        ("https", "tls1.2", tls.INTERCEPTED),
        ("scp", None, ssh.INTERCEPTED),
        ("sftp", None, ssh.INTERCEPTED),
        ("ssh", None, ssh.INTERCEPTED),
        ("websocket-tls", None, tls.INTERCEPTED),
    ],
)
def test_somebody_else_in_the_servers_place_is_found_and_gets_nothing(
    agents: Agents, server: AgentProcess, app: str, mode: str | None, words: str
) -> None:
    exchange = control(app, mode)
    somebody = credentials.make(KEYS[0].password)
    wanted = asking.services_start([exchange], addresses.service_address, somebody)
    server.call("services_start", wanted)
    record = run_exchange(agents, exchange, [])
    assert record.problem == words, record.dialogue
    assert record.arrived_bytes == 0


@pytest.mark.parametrize(
    "command",
    [
        "id",
        "",
        "send ../users",
        "send /etc/passwd",
        "take ../up/y",
        "send x; id",
        "scp -f down",
        "-",
    ],
)
def test_the_user_for_streams_gets_no_other_command(
    agents: Agents, server: AgentProcess, command: str
) -> None:
    start_services(server, [control("ssh", None)])
    login = ["ssh", "-F", "config", "-l", KEYS[0].user + STREAM_SUFFIX, SERVER]
    codes, said = tried(agents, "ssh", [*login, *([command] if command else [])])
    assert codes == [64]
    assert "uid=" not in said


@pytest.mark.parametrize("suffix", ["", STREAM_SUFFIX])
def test_ssh_forwards_nothing(agents: Agents, server: AgentProcess, suffix: str) -> None:
    start_services(server, [control("ssh", None)])
    how = ["-F", "config", "-l", KEYS[0].user + suffix, "-W", "127.0.0.1:22", SERVER]
    codes, said = tried(agents, "ssh", ["ssh", *how])
    assert codes == [255]
    assert "administratively prohibited" in said


def test_who_has_sftp_gets_no_command_and_sees_the_files_only(
    agents: Agents, server: AgentProcess
) -> None:
    start_services(server, [control("sftp", None)])
    login = ["ssh", "-F", "config", SERVER, "id"]
    assert "uid=" not in tried(agents, "ssh", login)[1]
    put = "put put /up/../../etc/x\nls /\n"
    copy = ["sh", "-c", f"printf '{put}' >batch; exec sftp -F config -b batch {SERVER}"]
    codes, said = tried(agents, "sftp", copy)
    assert codes == [1]
    assert "/etc/x" in said


def test_rsync_wants_the_password_and_writes_to_one_place(
    agents: Agents, server: AgentProcess
) -> None:
    start_services(server, [control("rsync", None)])
    base = f"rsync://{KEYS[0].user}@{SERVER}"
    own = "--password-file=password"
    wrong = ["sh", "-c", f"RSYNC_PASSWORD=x exec rsync {base}/down/x y"]
    assert "auth failed" in tried(agents, "rsync", wrong)[1]
    assert "read only" in tried(agents, "rsync", ["rsync", own, "sent", f"{base}/down/x"])[1]
    assert "write only" in tried(agents, "rsync", ["rsync", own, f"{base}/up/x", "y"])[1]
    tried(agents, "rsync", ["rsync", own, "sent", f"{base}/up/../down/x"])
    assert not (Path(server.work_directory) / "files/down/x").exists()


def test_git_takes_pushes_for_one_repository_only(agents: Agents, server: AgentProcess) -> None:
    start_services(server, [control("git", None)])
    content = {"seed": "git", "bytes": 100}
    server.call("offer", {"service": "git", "name": "own", "content": content})
    push = ["git", "push", f"git://{SERVER}/down/own.git", "HEAD:refs/heads/y"]
    made = [
        "sh",
        "-c",
        "git init -q . && git -c user.name=x -c user.email=x commit -q --allow-empty -mx",
    ]
    codes, said = tried(agents, "git", made, push)
    assert codes[0] == 0
    assert codes[1] != 0, said
    outside = tried(agents, "git", ["git", "clone", f"git://{SERVER}/../../x", "y"])
    assert outside[0] == [128]
    server.call("discard", {"service": "git", "name": "own"})


def test_the_name_server_asks_nobody_and_answers_no_datagram(
    agents: Agents, server: AgentProcess
) -> None:
    start_services(server, [control("dns", None)])
    script = (
        "import socket, struct, sys\n"
        "name = b''.join(bytes([len(l)]) + l for l in b'www.example.com'.split(b'.')) + b'\\0'\n"
        "q = struct.pack('!6H', 7, 0x100, 1, 0, 0, 0) + name + struct.pack('!HH', 1, 1)\n"
        f"s = socket.create_connection(('{SERVER}', 53), 60)\n"
        "s.sendall(struct.pack('!H', len(q)) + q)\n"
        "print('rcode', s.recv(100)[2:][3] & 15)\n"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"u.connect(('{SERVER}', 53))\n"
        "u.send(q)\n"
        "u.settimeout(60)\n"
        "try: print('datagram', len(u.recv(4096)))\n"
        "except ConnectionRefusedError: print('no datagram')\n"
    )
    codes, said = tried(agents, "dns", ["/usr/bin/python3", "-c", script])
    assert codes == [0]
    assert said == "rcode 5\nno datagram\n"


@pytest.mark.parametrize("words", ["take ../x", "send down/x", "hello"])
def test_the_websocket_server_takes_plain_names_only(
    agents: Agents, server: AgentProcess, words: str
) -> None:
    start_services(server, [control("websocket", None)])
    script = (
        "import asyncio, websockets\n"
        "async def main():\n"
        f"    async with websockets.connect('ws://{SERVER}:8088/') as c:\n"
        f"        await c.send({words!r})\n"
        "        await c.wait_closed()\n"
        "        print(c.close_code)\n"
        "asyncio.run(main())\n"
    )
    assert tried(agents, "websocket", ["/usr/bin/python3", "-c", script]) == ([0], "1008\n")
