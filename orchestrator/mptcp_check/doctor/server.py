"""The measurement server: reached, not a captive portal in its place, and its clock like ours.

Only a server that the user configured is ever asked: no third party learns of this computer.
"""

import email.utils
import http.client
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from mptcp_check import clock
from mptcp_check.doctor.check import Check, Question, Status

TIMEOUT_S = 10.0
PORTAL = "Captive portal"
SKEW = "Clock and the server's"
MOST_SKEW_S = 5.0
"""An HTTP date has whole seconds, and the question takes time."""
NETWORK_AUTHENTICATION_REQUIRED = 511
"""RFC 6585, section 6."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from the server's address."""

    status: int = 0
    headers: Mapping[str, str] | None = None
    """Names in lower case."""
    trouble: str = ""
    """Why nothing came back."""
    certificate_refused: bool = False
    asked_ns: int = 0
    answered_ns: int = 0
    """Wall clock of this computer."""


def server(question: Question) -> Iterator[Check]:
    """Ask the configured server once, if there is one."""
    if not question.server:
        return
    url = urlsplit(question.server)
    if url.scheme not in PORTS or not url.hostname:
        return  # a server that is reached by ssh has no page
    yield from judge(url, _ask(url))


def judge(url: SplitResult, answer: Answer) -> Iterator[Check]:
    """Judge the server's answer; PURE."""
    name = "Server"
    where = url.netloc
    if answer.certificate_refused:
        yield Check(
            name=PORTAL,
            status=Status.FAIL,
            detail=f"somebody else answers for {where}: {answer.trouble}",
            advice="open any page in a browser and log in to the network, then try again",
        )
        return
    if answer.trouble:
        yield Check(
            name=name,
            status=Status.FAIL,
            detail=f"{where} cannot be reached: {answer.trouble}",
            advice="check the address, or leave --server out to measure on the embedded network",
        )
        return
    yield Check(name=name, status=Status.PASS, detail=f"{where} answers")
    yield judge_portal(url, answer)
    yield from judge_skew(answer)


def judge_portal(url: SplitResult, answer: Answer) -> Check:
    """Say whether somebody in between sends us to a page of his own; PURE."""
    headers = answer.headers or {}
    target = urlsplit(headers.get("location", ""))
    elsewhere = (target.hostname or url.hostname) != url.hostname
    if answer.status == NETWORK_AUTHENTICATION_REQUIRED or elsewhere:
        led = f": asked for {url.netloc}, led to {target.netloc}" if elsewhere else ""
        return Check(
            name=PORTAL,
            status=Status.FAIL,
            detail=f"this network wants a login first{led}",
            advice=f"open {headers.get('location') or 'any page'} in a browser and log in",
        )
    return Check(name=PORTAL, status=Status.PASS, detail="the server itself answers")


def judge_skew(answer: Answer) -> Iterator[Check]:
    """Compare the server's date with this computer's clock; nothing when it gave none; PURE."""
    try:
        theirs = email.utils.parsedate_to_datetime((answer.headers or {})["date"])
        theirs_s = theirs.timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return
    earliest_s, latest_s = answer.asked_ns / 1e9 - 1, answer.answered_ns / 1e9
    skew_s = max(earliest_s - theirs_s, theirs_s - latest_s, 0.0)
    if skew_s <= MOST_SKEW_S:
        yield Check(name=SKEW, status=Status.PASS, detail=f"agree to {MOST_SKEW_S:.0f} s")
        return
    behind = "ahead of" if theirs_s < earliest_s else "behind"
    yield Check(
        name=SKEW,
        status=Status.WARN,
        detail=f"this computer is {skew_s:.0f} s {behind} the server",
        advice="set the clock by NTP: certificates and a report's times depend on it",
    )


def _ask(url: SplitResult) -> Answer:
    asked_ns = clock.wall_ns()
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    try:
        port = url.port or PORTS[url.scheme]
        connection = kind(url.hostname or "", port, timeout=TIMEOUT_S)
        try:
            connection.request("HEAD", url.path or "/", headers={"Connection": "close"})
            got = connection.getresponse()
            headers = {name.lower(): value for name, value in got.getheaders()}
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as e:
        return Answer(trouble=e.verify_message, certificate_refused=True)
    except (OSError, http.client.HTTPException, ValueError) as e:
        return Answer(trouble=str(e) or type(e).__name__)
    return Answer(
        status=got.status, headers=headers, asked_ns=asked_ns, answered_ns=clock.wall_ns()
    )
