from dataclasses import replace
from itertools import pairwise

import pytest

from mptcp_check.exchanges import APPLICATIONS, credentials
from mptcp_check.exchanges.application import Application, Target
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.model import Exchange, Family, Transfer, Transport
from mptcp_guest.own_program import WORD
from mptcp_guest.serving import PROGRAMS

KNOWN = credentials.make("secret")[0]
LOGINS = {"ftp", "ftps", "imap", "imaps", "pop3", "pop3s"}
IPV4 = Target(address="10.77.0.2", file="x0003", credentials=KNOWN)
IPV6 = Target(address="fd77::2", file="x0003", credentials=KNOWN)


def picked(app: str, mode: str | None, direction: Transfer, family: Family) -> Exchange:
    return next(
        e
        for e in plan(sorted(APPLICATIONS), Depth.FULL)
        if (e.app, e.mode, e.direction, e.family) == (app, mode, direction, family)
    )


def command(app: str, mode: str | None, direction: Transfer, family: Family) -> tuple[str, ...]:
    exchange = picked(app, mode, direction, family)
    (words,) = APPLICATIONS[app].commands(exchange, IPV4 if family is Family.IPV4 else IPV6)
    return words


@pytest.mark.parametrize(
    ("app", "mode", "direction", "family", "ends"),
    [
        (
            "http",
            None,
            Transfer.DOWNLOAD,
            Family.IPV4,
            ("--output", "arrived", "http://10.77.0.2:80/down/x0003"),
        ),
        (
            "http",
            None,
            Transfer.UPLOAD,
            Family.IPV6,
            ("--upload-file", "sent", "http://[fd77::2]:80/up/x0003"),
        ),
        (
            "ftp",
            "active",
            Transfer.DOWNLOAD,
            Family.IPV4,
            ("--ftp-port", "-", "--output", "arrived", "ftp://10.77.0.2:21/down/x0003"),
        ),
        (
            "ftp",
            "passive",
            Transfer.UPLOAD,
            Family.IPV6,
            ("--ftp-skip-pasv-ip", "--upload-file", "sent", "ftp://[fd77::2]:21/up/x0003"),
        ),
    ],
)
def test_the_client_says_what_goes_where(
    app: str, mode: str | None, direction: Transfer, family: Family, ends: tuple[str, ...]
) -> None:
    assert command(app, mode, direction, family)[-len(ends) :] == ends


@pytest.mark.parametrize(
    "exchange",
    [e for e in plan(sorted(APPLICATIONS)) if e.transport is Transport.TCP],
    ids=lambda e: f"{e.app}-{e.mode}-{e.direction}",
)
def test_every_curl_depends_on_its_own_words_only(exchange: Exchange) -> None:
    for words in APPLICATIONS[exchange.app].commands(exchange, IPV4):
        if words[0] != "curl":
            others = {WORD, "env", "cp", "mv", *APPLICATIONS[exchange.app].tools}
            assert words[0] in others
            continue
        assert words[:2] == ("curl", "--disable")
        assert words[words.index("--noproxy") + 1] == "*"
        assert float(words[words.index("--max-time") + 1]) > exchange.deadline_s
        assert "--fail" in words
        assert ("--user" in words) == (exchange.app in LOGINS)


def test_the_pieces_of_a_parallel_download_cover_the_file_once() -> None:
    exchange = picked("http", "parallel", Transfer.DOWNLOAD, Family.IPV4)
    downloads, joined = APPLICATIONS["http"].commands(exchange, IPV4)
    ranges = [
        tuple(int(end) for end in value.split("-"))
        for word, value in pairwise(downloads)
        if word == "--range"
    ]
    octets = [octet for first, last in ranges for octet in range(first, last + 1)]
    assert octets == list(range(exchange.payload_bytes))
    arrived = [value for word, value in pairwise(downloads) if word == "--output"]
    assert joined == (WORD, "pieces", *arrived)
    assert len(arrived) == 4


def test_the_applications_say_who_opens_more_than_one_connection() -> None:
    opened = {
        (app.name, mode): (how.opened.by_client, how.opened.by_server)
        for app in APPLICATIONS.values()
        for mode, how in app.modes.items()
    }
    assert {key: by for key, by in opened.items() if by != (1, 0)} == {
        ("ftp", "active"): (1, 1),
        ("ftp", "active-port"): (1, 1),
        ("ftp", "passive"): (2, 0),
        ("ftp", "passive-pasv"): (2, 0),
        ("ftps", "active"): (1, 1),
        ("ftps", "passive"): (2, 0),
        ("http", "close"): (3, 0),
        ("http", "parallel"): (4, 0),
        ("http", "range"): (2, 0),
        ("iperf3", None): (2, 0),
        ("irc", None): (2, 0),
    }


@pytest.mark.parametrize("app", APPLICATIONS.values(), ids=lambda app: app.name)
def test_every_application_has_a_usual_mode_a_server_and_words_for_what_is_special(
    app: Application,
) -> None:
    assert app.service in PROGRAMS
    usual = list(app.modes.values())[-1]
    assert not usual.special
    for mode in app.modes.values():
        assert mode.words or mode is usual or not mode.special
        assert mode.transfers
        assert mode.families
    assert app.title


@pytest.mark.parametrize("app", ["ftps", "https"])
def test_curl_takes_the_runs_own_key_and_no_other(app: str) -> None:
    words = command(app, list(APPLICATIONS[app].modes)[-1], Transfer.DOWNLOAD, Family.IPV4)
    assert words[words.index("--pinnedpubkey") + 1] == f"sha256//{KNOWN.tls_pin}"


@pytest.mark.parametrize("app", ["scp", "sftp", "ssh"])
def test_ssh_reads_nobodys_configuration_and_takes_one_host_key(app: str) -> None:
    (words,) = APPLICATIONS[app].commands(picked(app, None, Transfer.UPLOAD, Family.IPV4), IPV4)
    assert words[words.index("-F") + 1] == "config"
    files = APPLICATIONS[app].files(IPV4)
    assert "StrictHostKeyChecking yes" in files["config"]
    assert files["known_hosts"].split()[1:] == KNOWN.ssh_host_key.split()
    assert KNOWN.password not in "".join(files.values())


MARKER = "mpck-" + "a7" * 13
SHARED = Target(
    address="192.0.2.1",
    file="x0003",
    credentials=replace(KNOWN, user=MARKER, folder=MARKER),
)
SAYS_NO_MARKER = {"scp", "sftp", "ssh"}
"""Their words are encrypted: they are claimed by their handshake."""


def test_at_a_shared_server_every_connection_can_be_told() -> None:
    for exchange in plan(sorted(APPLICATIONS), Depth.FULL):
        application = APPLICATIONS[exchange.app]
        words = [word for one in application.commands(exchange, SHARED) for word in one]
        words += application.files(SHARED).values()
        told = exchange.app in SAYS_NO_MARKER or any(MARKER in word for word in words)
        assert told, (exchange.app, exchange.mode)
