import pytest

from mptcp_check.exchanges import APPLICATIONS, credentials
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.model import Exchange, Family, Transfer
from mptcp_guest.own_program import WORD

KNOWN = credentials.make("secret")[0]
LOGINS = {"ftp", "imap", "imaps", "pop3", "pop3s"}
IPV4 = Target(address="10.77.0.2", file="x0003", credentials=KNOWN)
IPV6 = Target(address="fd77::2", file="x0003", credentials=KNOWN)


def picked(app: str, mode: str | None, direction: Transfer, family: Family) -> Exchange:
    return next(
        e
        for e in plan(depth=Depth.FULL)
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


@pytest.mark.parametrize("exchange", plan(), ids=lambda e: f"{e.app}-{e.mode}-{e.direction}")
def test_every_curl_depends_on_its_own_words_only(exchange: Exchange) -> None:
    for words in APPLICATIONS[exchange.app].commands(exchange, IPV4):
        if words[0] != "curl":
            assert words[0] in {WORD, "env", *APPLICATIONS[exchange.app].tools}
            continue
        assert words[:2] == ("curl", "--disable")
        assert words[words.index("--noproxy") + 1] == "*"
        assert float(words[words.index("--max-time") + 1]) > exchange.deadline_s
        assert "--fail" in words
        assert ("--user" in words) == (exchange.app in LOGINS)


def test_the_applications_say_who_opens_what() -> None:
    found = {
        (app.name, mode): (how.opened.by_client, how.opened.by_server)
        for app in APPLICATIONS.values()
        for mode, how in app.modes.items()
    }
    assert {what: opens for what, opens in found.items() if opens != (1, 0)} == {
        ("ftp", "active"): (1, 1),
        ("ftp", "passive"): (2, 0),
        ("irc", None): (2, 0),
        ("iperf3", None): (2, 0),
    }
