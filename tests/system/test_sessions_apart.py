"""What the shared programs of a public server do not let one session do to another, or at all."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_check.exchanges import credentials
from mptcp_guest import dns_message, mqtt, resp
from mptcp_guest.messages import DNS_ZONE
from system.cli import wait_until
from system.public_server import PublicServer
from system.real_site import SERVER, Site
from system.two_sessions import (
    KEYS,
    LIMIT_S,
    User,
    client,
    connected,
    received,
    told,
    two_sessions,
)

pytestmark = pytest.mark.lab


@pytest.fixture
def users(place: Site, every_service: PublicServer) -> Iterator[tuple[User, User]]:
    assert wait_until(every_service.all_listen, LIMIT_S)
    with two_sessions(place, every_service) as both:
        yield both


def test_mail_goes_to_a_session_and_nowhere_else(place: Site, users: tuple[User, User]) -> None:
    alice, bob = users
    domain = "mptcp-check.invalid"
    stranger = f"mpck-{'a' * 26}"
    said = told(
        place,
        25,
        *(
            "EHLO x",
            f"MAIL FROM:<x@{domain}>",
            "RCPT TO:<x1@example.org>",
            f"RCPT TO:<x1@{domain}>",
        ),
        *(f"RCPT TO:<{stranger}.x1@{domain}>", f"RCPT TO:<{alice.marker}...@{domain}>"),
        *(f"RCPT TO:<{alice.marker}.x1@{domain}>", f"RCPT TO:<{bob.marker}.x1@{domain}>"),
        *("DATA", "Subject: x", "", "hello", ".", "QUIT"),
    )
    codes = [row[:3] for row in said.splitlines() if row[3:4] == " "]
    assert codes == ["220", "250", "250", "550", "550", "550", "550", "250", "452",
                     "354", "250", "221"]  # fmt: skip
    assert received(place, alice, "smtp") is not None
    assert received(place, bob, "smtp") is None


def test_a_mailbox_opens_for_its_own_session(place: Site, users: tuple[User, User]) -> None:
    alice, bob = users
    said = told(place, 143, f"a login {bob.marker} {alice.password}", "b logout")
    assert "a NO [AUTHENTICATIONFAILED]" in said
    said = told(
        place,
        143,
        f"a login {alice.marker} {alice.password}",
        'b list "" *',
        f"c select ../../{bob.marker}/imap/.x1",
        f"d select {bob.marker}.x1",
        "e logout",
    )
    assert "a OK" in said
    assert "x1" not in said.partition("b OK")[0].partition("* LIST")[2]
    assert "c NO" in said
    assert "d NO" in said
    for user in (f"{bob.marker}@x1", f"{alice.marker}@../../{bob.marker}/pop3/x1"):
        said = told(place, 110, f"USER {user}", f"PASS {alice.password}", "QUIT")
        assert "-ERR" in said
    said = told(place, 110, f"USER {bob.marker}@x1", f"PASS {bob.password}", "STAT", "QUIT")
    assert "+OK 1 " in said


def test_rsync_opens_a_sessions_own_modules(
    place: Site, every_service: PublicServer, users: tuple[User, User], tmp_path: Path
) -> None:
    alice, bob = users
    (tmp_path / "link").symlink_to("/etc/passwd")
    base = f"rsync://{alice.marker}@{SERVER}"

    def rsync(*words: str) -> str:
        return client(place, "rsync", *words, RSYNC_PASSWORD=alice.password)[1]

    assert client(place, "rsync", f"rsync://{SERVER}/")[1].strip() == ""
    assert "auth failed" in rsync(f"{base}/{bob.marker}-down/x1", str(tmp_path))
    assert "read only" in rsync(str(tmp_path / "link"), f"{base}/{alice.marker}-down/y")
    assert "write only" in rsync(f"{base}/{alice.marker}-up/x1", str(tmp_path))
    rsync(f"{base}/{alice.marker}-down/../../{bob.marker}/down/x1", str(tmp_path))
    assert not (tmp_path / "x1").exists()
    rsync("--links", str(tmp_path / "link"), f"{base}/{alice.marker}-up/")
    made = every_service.folder / "services/files" / alice.marker / "up/link"
    assert not made.is_symlink() or made.readlink() != Path("/etc/passwd")


def test_git_shows_a_sessions_own_repositories_and_none_that_somebody_made_up(
    place: Site, every_service: PublicServer, users: tuple[User, User], tmp_path: Path
) -> None:
    alice, bob = users
    base = f"git://{SERVER}"
    made_up = every_service.folder / "services/files" / alice.marker / "up" / "own.git"
    subprocess.run(["git", "init", "-q", "--bare", str(made_up)], check=True)
    for path in (
        f"/{alice.marker}/up/own.git",
        f"/{alice.marker}/../{bob.marker}/down/x1.git",
        f"/../files/{alice.marker}/up/own.git",
        "/x1.git",
    ):
        code, said = client(place, "git", "clone", base + path, str(tmp_path / "copy"))
        assert code == 128, said
    clone = tmp_path / "bobs"
    assert client(place, "git", "clone", f"{base}/{bob.marker}/down/x1.git", str(clone))[0] == 0
    own = ("-C", str(clone), "push", "--force")
    code, said = client(place, "git", *own, f"{base}/{bob.marker}/down/x1.git", "HEAD:refs/heads/y")
    assert code != 0, said
    assert client(place, "git", *own, f"{base}/{alice.marker}/up.git", "HEAD:refs/heads/x1")[0] == 0
    assert received(place, alice, "git") is not None
    assert received(place, bob, "git") is None


def test_the_name_server_knows_one_zone_and_gives_no_list_of_it(
    place: Site, users: tuple[User, User]
) -> None:
    _, bob = users

    def asked(name: str, kind: int = 0) -> dns_message.Answer:
        question = bytearray(dns_message.query(name, number=7))
        if kind:
            question[-4:-2] = kind.to_bytes(2, "big")
        with connected(place, 53) as line:
            line.sendall(len(question).to_bytes(2, "big") + question)
            stream = line.makefile("rb")
            size = int.from_bytes(stream.read(2), "big")
            return dns_message.answer(stream.read(size))

    assert asked(f"0.x1.{bob.marker}.{DNS_ZONE}").text
    axfr = 252
    for name, kind in (("www.example.org", 0), (f"0.x1.{DNS_ZONE}", 0), (DNS_ZONE, axfr)):
        found = asked(name, kind)
        assert found.problem
        assert not found.text


def test_mqtt_has_a_topic_each_way_for_a_session(place: Site, users: tuple[User, User]) -> None:
    alice, bob = users
    with connected(place, 1883) as line, line.makefile("rb") as stream:
        line.sendall(mqtt.connect("x", user=bob.marker, password=alice.password))
        assert mqtt.await_kind(stream, lambda kind: kind == mqtt.CONNACK)[1] != 0
    with connected(place, 1883) as line, line.makefile("rb") as stream:
        line.sendall(mqtt.connect("x", user=alice.marker, password=alice.password))
        assert mqtt.await_kind(stream, lambda kind: kind == mqtt.CONNACK)[1] == 0
        for number, topic in enumerate((f"{bob.marker}/up", f"{bob.marker}/x", "x"), start=1):
            line.sendall(mqtt.publish(topic, b"hello", number=number))
        for number, topic in enumerate(("#", f"{bob.marker}/down", "+/down"), start=4):
            line.sendall(mqtt.subscribe(topic, number=number))
        line.sendall(mqtt.packet(mqtt.PINGREQ, b""))
        kinds = []
        while not kinds or kinds[-1] != mqtt.PINGRESP:
            kinds.append(mqtt.read(stream)[0] & 0xF0)
    assert mqtt.PUBLISH not in kinds
    assert received(place, bob, "mqtt") is None


def test_redis_has_a_key_each_way_for_a_session(place: Site, users: tuple[User, User]) -> None:
    alice, bob = users
    mine, its = alice.marker.encode(), bob.marker.encode()

    def ask(stream: socket.SocketIO | object, line: socket.socket, *words: bytes) -> str:
        line.sendall(resp.request(*words))
        try:
            return str(resp.reply(stream))  # type: ignore[arg-type]
        except resp.StrangeReplyError as refusal:
            return str(refusal)

    with connected(place, 6379) as line, line.makefile("rb") as stream:
        assert "NOAUTH" in ask(stream, line, b"GET", its + b"/down")
        assert "WRONGPASS" in ask(stream, line, b"AUTH", its, alice.password.encode())
        assert "OK" in ask(stream, line, b"AUTH", mine, alice.password.encode())
        assert "OK" in ask(stream, line, b"SET", mine + b"/up", b"x")
        for words in (
            (b"GET", its + b"/down"),
            (b"SET", its + b"/up", b"x"),
            (b"SET", mine + b"/other", b"x"),
            (b"KEYS", b"*"),
            (b"CONFIG", b"GET", b"*"),
            (b"EVAL", b"return 1", b"0"),
            (b"REPLICAOF", b"198.51.100.1", b"6379"),
            (b"FLUSHALL",),
            (b"ACL", b"LIST"),
        ):
            assert "NOPERM" in ask(stream, line, *words), words
    assert received(place, bob, "redis") is None


def test_irc_visitors_of_one_session_meet_nobody_else(
    place: Site, users: tuple[User, User]
) -> None:
    alice, bob = users
    entry = (f"PASS {alice.password}", "USER x 0 * :x")
    assert " 464 " in told(place, 6667, *entry, f"NICK {bob.marker}.h")
    with connected(place, 6667) as line, line.makefile("rb") as heard:
        line.sendall(
            f"PASS {bob.password}\r\nNICK {bob.marker}.h\r\nUSER x 0 * :x\r\nJOIN #x\r\n".encode()
        )
        while b" 366 " not in heard.readline(600):
            pass
        said = told(
            place,
            6667,
            *(*entry, f"NICK {alice.marker}.s", "JOIN #x", "PRIVMSG #x :hello", "NAMES #x"),
            *(f"PRIVMSG {bob.marker}.h :hello", "LIST", "WHOIS x", "CONNECT irc.example.org"),
            "QUIT",
        )
        assert bob.marker not in said
        line.sendall(b"PING :x\r\n")
        assert b"PONG" in heard.readline(600)


@pytest.mark.parametrize(("service", "port"), [("echo", 7), ("greeting-echo", 17)])
def test_the_echo_keeps_what_is_a_sessions(
    place: Site, users: tuple[User, User], service: str, port: int
) -> None:
    alice, bob = users
    stranger = f"mpck-{'a' * 26}.x1"
    for name in ("x1", stranger, f"{alice.marker}...", f"{alice.marker}.../{bob.marker}/x1"):
        for line in (f"down {name}", f"up {name} 5\r\nhello"):
            assert "hello" not in told(place, port, line)
    assert "\r\n" in told(place, port, f"down {bob.marker}.x1")
    assert "hello" in told(place, port, f"up {alice.marker}.x2 5\r\nhello", end=b"hello")
    assert received(place, alice, service, "x2") is not None


def test_sip_keeps_messages_of_sessions_and_calls_nobody(
    place: Site, users: tuple[User, User]
) -> None:
    alice, bob = users

    def message(name: str, to: str) -> str:
        head = (f"MESSAGE sip:{to} SIP/2.0", f"From: <sip:{name}@x>;tag=1", "Content-Length: 5")
        return "\r\n".join((*head, "", "hello"))

    assert "200 OK" not in told(place, 5060, message(f"mpck-{'a' * 26}.x1", "keep@x"))
    said = told(place, 5060, message(f"{alice.marker}.x1", f"{bob.marker}@x"), end=b"\r\n\r\n")
    assert " 405 " in said
    said = told(place, 5060, message(f"{alice.marker}.x1", "keep@x"), end=b"\r\n\r\n")
    assert " 200 " in said
    assert received(place, alice, "sip") is not None
    assert received(place, bob, "sip") is None


def test_iperf3_sends_a_session_what_it_may_have(place: Site, users: tuple[User, User]) -> None:
    alice, _ = users
    own = ("--extra-data", alice.marker)
    ask = ("iperf3", "--client", SERVER, "--connect-timeout", "60000")
    for words in (
        ("--reverse", "--bytes", "1M"),  # nobody's
        ("--reverse", "--bytes", "1M", "--extra-data", f"mpck-{'a' * 26}"),
        (*own, "--bytes", "1M"),  # towards the server
        (*own, "--reverse", "--time", "5"),  # without an end
        (*own, "--reverse", "--bytes", "1000M"),
        (*own, "--reverse", "--bytes", "1M", "--parallel", "2"),
        (*own, "--bidir", "--bytes", "1M"),
    ):
        code, said = client(place, *ask, *words)
        assert code == 1, said
        assert "try again later" in said, words
    code, said = client(place, *ask, *own, "--reverse", "--bytes", "1M")
    assert code == 0, said


def test_ssh_has_sftp_and_a_few_commands_and_nothing_else(
    place: Site, every_service: PublicServer, users: tuple[User, User], tmp_path: Path
) -> None:
    alice, bob = users
    for name, (known, _) in KEYS.items():
        key = tmp_path / name
        key.write_text(known.ssh_client_key)
        key.chmod(0o600)
    (tmp_path / "known").write_text(f"{SERVER} {alice.services.ssh_host_key}\n")
    how = ("-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={tmp_path / 'known'}")
    own = (*how, "-o", f"IdentityFile={tmp_path / 'alice'}", "-o", "IdentitiesOnly=yes")

    def ssh(*words: str, user: str = alice.marker) -> tuple[int, str]:
        return client(place, "ssh", *own, "-l", user, *words)

    assert "Permission denied" in ssh(SERVER, "send x1", user=bob.marker)[1]
    for command in ("id", "send ../../x", f"send ../{bob.marker}/down/x1", "take x1; id",
                    f"scp -f ../{bob.marker}/down/x1", "scp -t down/x1", "-"):  # fmt: skip
        code, said = ssh(SERVER, command)
        assert code == 64, said
    assert ssh(SERVER)[0] == 255  # a shell
    assert "administratively prohibited" in ssh("-W", "198.51.100.1:22", SERVER)[1]
    refused = ssh("-o", "ExitOnForwardFailure=yes", "-N", "-R", "2200:127.0.0.1:22", SERVER)
    assert refused[0] == 255
    batch = (
        f"-get /../{bob.marker}/down/x1 {tmp_path}/stolen\n-get /etc/passwd {tmp_path}/stolen\n"
        f"-put {tmp_path}/known /etc/x\n-put {tmp_path}/known down/x9\n-mkdir up/folder\n"
        f"-symlink /etc/passwd up/link\n-rm down/x1\n-ls /\nput {tmp_path}/known up/x1\n"
    )
    code, said = client(place, "sftp", *own, "-b", "-", f"{alice.marker}@{SERVER}", given=batch)
    assert code == 0, said
    assert not (tmp_path / "stolen").exists()
    files = every_service.folder / "services/files" / alice.marker
    assert sorted(str(path.relative_to(files)) for path in files.rglob("*")) == [
        "down",
        "up",
        "up/x1",
    ]


def test_websocket_and_https_know_nobody_without_a_session(
    place: Site, users: tuple[User, User]
) -> None:
    alice, bob = users
    script = (
        "import asyncio, sys, websockets\n"
        "async def main(path, words):\n"
        f"    async with websockets.connect('ws://{SERVER}:8088' + path) as c:\n"
        "        await c.send(words)\n"
        "        try: print(len(await c.recv()))\n"
        "        except websockets.ConnectionClosed as e: print('closed', e.code)\n"
        "asyncio.run(main(*sys.argv[1:]))\n"
    )
    asked = ("/usr/bin/python3", "-c", script)
    for path, words in (
        ("/", "send x1"),
        (f"/mpck-{'a' * 26}/", "send x1"),
        (f"/{alice.marker}/", f"send ../../{bob.marker}/down/x1"),
        (f"/{alice.marker}/../{bob.marker}/", "send x1"),
        (f"/{alice.marker}/", "take .."),
    ):
        assert client(place, *asked, path, words)[1] == "closed 1008\n", (path, words)
    assert int(client(place, *asked, f"/{bob.marker}/", "send x1")[1]) > 0
    name = f"{alice.marker}.{credentials.SERVER_NAME}"
    pinned = ("--resolve", f"{name}:443:{SERVER}", "--cacert", "/dev/stdin")
    status = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *pinned)
    own = f"https://{name}"
    shown = alice.services.tls_certificate
    assert client(place, *status, f"{own}/{bob.marker}/down/x1", given=shown)[1] == "200"
    for path in ("/", "/down/x1", f"/{alice.marker}/", f"/{bob.marker}/down/"):
        assert client(place, *status, own + path, given=shown)[1] in {"403", "404"}
