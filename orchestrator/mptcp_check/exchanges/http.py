"""http: GET and PUT in the ways that boxes in the path treat differently."""

from itertools import pairwise

from mptcp_check.exchanges import curl
from mptcp_check.exchanges.application import Application, Mode, Opened, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.own_program import WORD

REQUESTS = 3
"""Of the same file: what arrived counts after the last."""

AT_ONCE = 4
"""Connections that are open together."""

KEEP_ALIVE = "keep-alive"
PARALLEL = "parallel"
CLOSE = "close"
CHUNKED = "chunked"
RANGE = "range"
TRICKLE = "trickle"
NOT_FOUND = "not-found"
REDIRECT = "redirect"
ODD_HEADERS = "odd-headers"

DOWNLOAD_ONLY = (Transfer.DOWNLOAD,)
KIB = 1024

ODD_WORDS = (
    *("--header", "aCCEPT:   */*"),
    *("--header", "x-EMPTY;"),  # with nothing after the colon
    *("--header", "uSER-aGENT: (odd) , , agent"),
    *("--header", "X-Long: " + "long " * 300),
    *("--header", "X-empty: twice"),
)
"""Legal and rare (RFC 9110, section 5): names in any case, repeated, empty, a long value."""


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    base = f"http://{target.host}:{exchange.port}{target.root}"
    mode = exchange.mode
    words = ("--http1.1",)
    if exchange.direction is Transfer.UPLOAD:
        url = f"{base}/up/{target.file}"
        each = ("--upload-file", SENT_FILE, url)
        special = {
            CHUNKED: ("--header", "Transfer-Encoding: chunked"),
            CLOSE: ("--header", "Connection: close"),
            ODD_HEADERS: ODD_WORDS,
        }.get(mode or "", ())
        times = REQUESTS if mode in {CLOSE, KEEP_ALIVE} else 1
        return (curl.command(exchange, *words, *special, *each * times),)
    place = {
        CHUNKED: "chunked",
        NOT_FOUND: "missing",
        ODD_HEADERS: "odd",
        REDIRECT: "moved",
        TRICKLE: "trickle",
    }.get(mode or "", "down")
    url = f"{base}/{place}/{target.file}"
    if mode == PARALLEL:
        return _at_once(exchange, url, words)
    each = ("--output", ARRIVED_FILE, url)
    if mode == RANGE:
        half = exchange.payload_bytes // 2
        return (
            curl.command(exchange, *words, "--range", f"0-{half - 1}", *each),
            curl.command(exchange, *words, "--continue-at", str(half), *each),
        )
    special = {
        CLOSE: ("--header", "Connection: close"),
        NOT_FOUND: ("--no-fail",),
        ODD_HEADERS: ODD_WORDS,
        REDIRECT: ("--location", "--max-redirs", "1"),
    }.get(mode or "", ())
    times = REQUESTS if mode in {CLOSE, KEEP_ALIVE} else 1
    return (curl.command(exchange, *words, *special, *each * times),)


def _at_once(exchange: Exchange, url: str, words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return a download whose pieces come over connections that are open together."""
    ends = [exchange.payload_bytes * n // AT_ONCE for n in range(AT_ONCE + 1)]
    pieces = [f"piece-{n}" for n in range(AT_ONCE)]
    transfers: list[str] = []
    for piece, (start, end) in zip(pieces, pairwise(ends), strict=True):
        each = (*words, "--range", f"{start}-{end - 1}", "--output", piece, url)
        # after --next only what is said for all at once still holds
        transfers += ("--next", *curl.command(exchange, *each)[2:]) if transfers else each
    # at once: it shall not wait for a connection to find out whether it can be shared
    together = ("--parallel", "--parallel-immediate", "--parallel-max", str(AT_ONCE))
    return (curl.command(exchange, *together, *transfers), (WORD, "pieces", *pieces))


APPLICATION = Application(
    name="http",
    title="Web (HTTP)",
    service="http",
    ports=(80, 8080, 34343),
    # the usual one last
    modes={
        CHUNKED: Mode(special=True, words="in chunks, the length is not told before"),
        CLOSE: Mode(
            opened=Opened(by_client=REQUESTS),
            payload_bytes_max=256 * KIB,
            special=True,
            words=f"{REQUESTS} requests, a connection for each",
        ),
        KEEP_ALIVE: Mode(
            payload_bytes_max=256 * KIB,
            special=True,
            words=f"{REQUESTS} requests on one connection",
        ),
        NOT_FOUND: Mode(
            transfers=DOWNLOAD_ONLY,
            payload_bytes_max=256 * KIB,
            special=True,
            words="the page of a 404: some boxes put their own in its place",
        ),
        ODD_HEADERS: Mode(special=True, words="header fields that are legal and rare"),
        PARALLEL: Mode(
            opened=Opened(by_client=AT_ONCE),
            transfers=DOWNLOAD_ONLY,
            special=True,
            words=f"in {AT_ONCE} pieces over connections that are open at once, as browsers do",
        ),
        RANGE: Mode(
            opened=Opened(by_client=2),
            transfers=DOWNLOAD_ONLY,
            special=True,
            words="the first half, then the rest on another connection",
        ),
        REDIRECT: Mode(transfers=DOWNLOAD_ONLY, special=True, words="a 302 leads to the file"),
        TRICKLE: Mode(
            transfers=DOWNLOAD_ONLY,
            payload_bytes_max=32 * KIB,
            special=True,
            words="in small pieces with pauses",
        ),
        None: Mode(),
    },
    commands=commands,
)
