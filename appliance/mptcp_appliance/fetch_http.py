"""A catalogue on a web server: any that serves files will do; one that knows Range is better."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import requests
import urllib3.exceptions
from requests import exceptions

from mptcp_appliance.fetch_source import Delivery, SourceError

_CHUNK_BYTES: Final = 1 << 16
_CONNECT_S: Final = 15.0
_SILENCE_S: Final = 30.0
_MOST_REDIRECTS: Final = 5

_OK: Final = 200
_PARTIAL: Final = 206
_ABSENT: Final = frozenset({404, 410})
_RANGE_WRONG: Final = 416
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""The server may answer otherwise a little later (RFC 9110, section 15)."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:\d{1,18}|\*)", re.ASCII)

_WORDS: Final[tuple[tuple[type[Exception], str, bool], ...]] = (
    (exceptions.SSLError, "the server's certificate is not trusted", False),
    (exceptions.ProxyError, "the proxy does not answer", True),
    (exceptions.ConnectTimeout, "the server does not answer", True),
    (exceptions.ReadTimeout, f"nothing came for {_SILENCE_S:g} s", True),
    (urllib3.exceptions.ReadTimeoutError, f"nothing came for {_SILENCE_S:g} s", True),
    (exceptions.TooManyRedirects, "the server sends us in a circle", False),
    (exceptions.ConnectionError, "the server cannot be reached", True),
    (exceptions.ChunkedEncodingError, "the connection was cut", True),
    (exceptions.RequestException, "the request is impossible", False),
    (urllib3.exceptions.HTTPError, "the connection was cut", True),
    (OSError, "the connection was cut", True),
)
"""What the library raises, the first that fits; whether trying again may help."""


class HttpSource:
    """Asks a web server; proxies and certificates are those of the environment."""

    def __init__(self, url: str, *, agent: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.max_redirects = _MOST_REDIRECTS
        # what is compressed on the way has neither the announced size nor a range
        self._session.headers.update({"User-Agent": agent, "Accept-Encoding": "identity"})

    def small(self, path: str, *, limit_bytes: int) -> bytes:
        """See `mptcp_appliance.fetch_source.Source.small`."""
        # a cache on the way must ask whether its copy is still the server's (RFC 9111, 5.2.1.4)
        with self._answer(path, {"Cache-Control": "no-cache"}) as answer:
            _require_ok(answer, {_OK})
            data = bytearray()
            for chunk in _chunks(answer):
                data += chunk
                if len(data) > limit_bytes:
                    raise SourceError(f"it is larger than {limit_bytes} bytes", again=False)
            return bytes(data)

    @contextmanager
    def open(self, path: str, *, offset_bytes: int, validator: str) -> Iterator[Delivery]:
        """See `mptcp_appliance.fetch_source.Source.open`."""
        headers = {"Range": f"bytes={offset_bytes}-"} if offset_bytes else {}
        if offset_bytes and validator:
            headers["If-Range"] = validator
        with self._answer(path, headers) as answer:
            if offset_bytes and not _fits(answer, offset_bytes):
                # shorter than what came so far, or another piece: the whole file instead
                answer.close()
                with self.open(path, offset_bytes=0, validator="") as whole:
                    yield whole
                return
            _require_ok(answer, {_OK, _PARTIAL} if offset_bytes else {_OK})
            first_bytes = offset_bytes if answer.status_code == _PARTIAL else 0
            yield Delivery(
                offset_bytes=first_bytes,
                total_bytes=_total_bytes(answer, first_bytes),
                validator=_validator(answer),
                chunks=_chunks(answer),
            )

    @contextmanager
    def _answer(self, path: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        try:
            answer = self._session.get(
                f"{self._url}/{path}",
                headers=dict(headers),
                stream=True,
                timeout=(_CONNECT_S, _SILENCE_S),
            )
        except (exceptions.RequestException, urllib3.exceptions.HTTPError) as e:
            raise _failed(e) from e
        with answer:
            if self._url.startswith("https:") and not answer.url.startswith("https:"):
                raise SourceError("the server sends us away from https", again=False)
            yield answer


def _require_ok(answer: requests.Response, wanted: set[int]) -> None:
    status = answer.status_code
    if status not in wanted:
        said = f"the server says {status} {answer.reason or ''}".strip()
        raise SourceError(said, again=status in _AGAIN, absent=status in _ABSENT)


def _fits(answer: requests.Response, offset_bytes: int) -> bool:
    """Return whether content begins where it was asked to (RFC 9110, section 14.4)."""
    if answer.status_code != _PARTIAL:
        return answer.status_code != _RANGE_WRONG
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == offset_bytes


def _total_bytes(answer: requests.Response, first_bytes: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return first_bytes + int(length) if length.isascii() and length.isdigit() else None


def _validator(answer: requests.Response) -> str:
    """Return a strong ETag, else the time of the last change (RFC 9110, section 13.1.5)."""
    tag: str = answer.headers.get("ETag", "")
    if tag.startswith('"'):
        return tag
    return answer.headers.get("Last-Modified", "")


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.raw.stream(_CHUNK_BYTES, decode_content=False)
    except (exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as e:
        raise _failed(e) from e


def _failed(e: Exception) -> SourceError:
    """Put what the library raised into a few words; its own are a page long."""
    words, again = next((words, again) for kind, words, again in _WORDS if isinstance(e, kind))
    reason = _system_words(e)
    return SourceError(f"{words} ({reason})" if reason else words, again=again)


def _system_words(e: BaseException | None) -> str:
    """Return what the operating system said, from the depth of a chain of exceptions."""
    seen = 0
    while e is not None and seen < 10:  # noqa: PLR2004 - a chain may be a ring
        if type(e).__module__ == "builtins" or type(e).__name__ == "gaierror":
            said = getattr(e, "strerror", None)
            if said:
                return str(said).lower()
        e, seen = e.__cause__ or e.__context__, seen + 1
    return ""
