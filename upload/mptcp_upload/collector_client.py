"""One collector over HTTP: tus 1.0.0 (creation, checksum) and receipts, on requests."""

import base64
import hashlib
import json
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self

import requests

from mptcp_upload import bundle, collector_limits
from mptcp_upload.collector_limits import Limits
from mptcp_upload.errors import VERDICT_ONLY, RefusedError, UnreachableError, UploadError
from mptcp_upload.outbox import Entry

TUS: Final = {"Tus-Resumable": "1.0.0"}
ANSWER_BYTES_LIMIT: Final = 256 << 10
CONNECT_TIMEOUT_S: Final = 15.0
ANSWER_TIMEOUT_S: Final = 60.0

_GONE: Final = frozenset({"upload_unknown", "upload_expired"})
_AGAIN: Final = frozenset({408, 423, 425, 429, 460, 500, 502, 503, 504, 507})
"""Statuses after which the same request may succeed later."""
_LONGEST_WAIT_S: Final = 86400.0

HINTS: Final = {
    "schema_too_new": "the collector is older than this program; try later",
    "schema_too_old": "update mptcp-check and measure again",
    "too_large": VERDICT_ONLY,
    "expands_too_far": VERDICT_ONLY,
    "run_exists_with_other_digest": "somebody uploaded another bundle under this run's identifier",
    "run_deleted": "the run was deleted there; measure again",
}


class Body(Protocol):
    """The bytes of a request, which come while it is sent."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a collector says of bytes that came."""

    offset_bytes: int
    """How many it has of the upload."""
    receipt: bytes
    """As it came with the last of them, if it did; it is not verified here."""


class OutOfStepError(Exception):
    """The collector has an upload in another state than we thought."""


class GoneError(OutOfStepError):
    """The upload is not known there any more: begin it anew."""


class AlteredError(OutOfStepError):
    """All bytes came, and are not the bundle's: the upload is gone there, begin it anew."""


class MismatchError(OutOfStepError):
    """The collector has another number of bytes than we thought: ask it."""


class CollectorClient:
    """Speaks with one collector; use it as a context.

    Args:
        url: `https://HOST`, or `http://` for one on this computer or in a laboratory.

    Raises:
        UploadError: The URL is none.
    """

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise UploadError(f"{url} is not the URL of a collector", hint="give https://HOST")
        self.url = url.rstrip("/")
        self.away = ""
        """Why the last question got no answer; empty when it got one."""
        self._session = requests.Session()
        # proxies of the environment are used, passwords of ~/.netrc are nobody's business here
        self._session.auth = lambda request: request

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def limits(self) -> Limits:
        """Return what the collector takes; one that does not say limits nothing beforehand.

        Raises:
            UploadError: It did not answer, or not with that.
        """
        try:
            answer = self._ask("GET", f"{self.url}/api/v1/limits")
        except (RefusedError, OutOfStepError):
            return Limits()
        document = _json(answer.content)
        if not isinstance(document, dict):
            raise UnreachableError(f"{self.url} does not answer as a collector does")
        return collector_limits.read(document)

    def create(self, entry: Entry) -> tuple[str, bool]:
        """Begin an upload.

        Returns:
            Its place, or nothing when the run is there already; and whether the collector says that
            it has none of its bytes.

        Raises:
            UploadError: It was refused, or there was no answer.
        """
        said = {
            "run_id": entry.run_id,
            "bundle_sha256": entry.bundle_sha256,
            "schema": bundle.SCHEMA,
            "deletion_sha256": entry.deletion_sha256,
            **({"ticket": entry.ticket} if entry.ticket else {}),
            **({"expanded_bytes": f"{entry.expanded_bytes}"} if entry.expanded_bytes else {}),
        }
        answer = self._ask(
            "POST",
            f"{self.url}/api/v1/uploads",
            {
                **TUS,
                "Upload-Length": str(entry.size_bytes),
                "Upload-Metadata": ",".join(
                    f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in said.items()
                ),
            },
        )
        location = answer.headers.get("Location", "")
        if not location:
            if answer.status_code == requests.codes.ok:
                return "", False
            raise UnreachableError(f"{self.url} did not say where to upload to")
        is_empty = answer.headers.get("Upload-Offset") == "0"
        return self._own(urllib.parse.urljoin(f"{self.url}/api/v1/uploads", location)), is_empty

    def offset_bytes(self, location: str) -> int:
        """Return how many bytes the collector has.

        Raises:
            GoneError: It does not know the upload any more.
            UploadError: It was refused, or there was no answer.
        """
        return _offset(self._ask("HEAD", self._own(location), TUS))

    def send(self, location: str, offset_bytes: int, chunk: bytes) -> Sent:
        """Send some bytes with their digest.

        Raises:
            GoneError: It does not know the upload any more.
            MismatchError: It has another number of bytes.
            AlteredError: It was the last chunk, and what came before it is not the bundle's.
            UploadError: It was refused, or there was no answer.
        """
        checksum = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
        return self._patch(location, offset_bytes, chunk, {"Upload-Checksum": f"sha256 {checksum}"})

    def send_rest(self, location: str, offset_bytes: int, body: Body) -> Sent:
        """Send all bytes that are left, without a digest.

        It keeps what came before an interruption, and compares the bundle's digest at the end.

        Raises:
            GoneError: It does not know the upload any more.
            MismatchError: It has another number of bytes.
            AlteredError: They are not the bundle's.
            UploadError: It was refused, or there was no answer.
        """
        return self._patch(location, offset_bytes, body, {})

    def _patch(
        self, location: str, offset_bytes: int, body: bytes | Body, more: Mapping[str, str]
    ) -> Sent:
        head = {
            **TUS,
            "Upload-Offset": str(offset_bytes),
            "Content-Type": "application/offset+octet-stream",
            "Prefer": "return=representation",  # RFC 7240; at the end that is the receipt
            **more,
        }
        answer = self._ask("PATCH", self._own(location), head, body)
        applied = "Preference-Applied" in answer.headers
        return Sent(offset_bytes=_offset(answer), receipt=answer.content if applied else b"")

    def receipt(self, run_id: str) -> bytes:
        """Return the receipt as it came; it is not verified here.

        Raises:
            UploadError: There is none, or there was no answer.
        """
        try:
            return self._ask("GET", f"{self.url}/api/v1/runs/{run_id}/receipt").content
        except RefusedError as e:
            if e.status == requests.codes.not_found:
                raise UnreachableError(f"{self.url} has no receipt of the run yet") from None
            raise

    def delete(self, run_id: str, deletion_token: str) -> None:
        """Delete a run there.

        Raises:
            UploadError: It was refused, or there was no answer.
        """
        self._ask(
            "DELETE",
            f"{self.url}/api/v1/runs/{run_id}",
            {"Authorization": f"Bearer {deletion_token}"},
        )

    def _own(self, location: str) -> str:
        """Return a place that belongs to this collector.

        Raises:
            RefusedError: It is somebody else's: a bundle goes nowhere but where it was meant to.
        """
        ours, theirs = urllib.parse.urlsplit(self.url), urllib.parse.urlsplit(location)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise RefusedError(
                f"{self.url} wants the bundle to go to another host",
                word="foreign_location",
                status=0,
            )
        return location

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body = b"",
    ) -> requests.Response:
        self.away = ""
        try:
            return self._answer(method, url, headers, body)
        except UnreachableError as e:
            self.away = e.message
            raise

    def _answer(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes | Body
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                url,
                headers=headers,
                data=body or None,
                timeout=(CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                octets = answer.raw.read(ANSWER_BYTES_LIMIT + 1, decode_content=True)
        except requests.exceptions.SSLError as e:
            raise UnreachableError(
                f"the certificate of {self.url} cannot be verified{_why(e)}",
                hint="look at this computer's clock, and whether somebody is in between",
                soon=False,
            ) from None
        except (requests.RequestException, OSError, ValueError) as e:
            raise UnreachableError(f"{self.url} does not answer: {type(e).__name__}") from None
        if len(octets) > ANSWER_BYTES_LIMIT:
            raise UnreachableError(f"{self.url} answers more than it should")
        answer._content = octets  # noqa: SLF001 - read with a cap, which requests cannot do
        if answer.ok and not answer.is_redirect:
            return answer
        raise _problem(self.url, answer)


def _why(error: BaseException) -> str:
    """Return what OpenSSL says of a certificate, from within what urllib3 makes of it."""
    waiting: list[object] = [error]
    for _ in range(10):
        inner = waiting.pop(0) if waiting else None
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f": {inner.verify_message.rstrip('.')}"
        if isinstance(inner, BaseException):
            waiting += [getattr(inner, "reason", None), *inner.args]
    return ""


def _problem(url: str, answer: requests.Response) -> Exception:
    """Return the exception for an answer that is no success (RFC 9457)."""
    document = _json(answer.content)
    document = document if isinstance(document, dict) else {}
    kind = document.get("type")
    word = kind.replace(":", "/").rsplit("/", 1)[-1] if isinstance(kind, str) else ""
    said = document.get("detail") or document.get("title")
    status = answer.status_code
    words = f"{url}: {said}" if isinstance(said, str) else f"{url} answered {status}"
    words = "".join(c if c.isprintable() else "?" for c in words)[:300]
    if word in _GONE or (not word and status in (404, 410)):
        return GoneError(words)
    if word == "digest_mismatch":
        return AlteredError(words)
    if word == "offset_mismatch" or (not word and status == requests.codes.conflict):
        return MismatchError(words)
    if status in _AGAIN:
        after_s = _after_s(answer.headers.get("Retry-After", ""))
        return UnreachableError(words, after_s=after_s, word=word)
    return RefusedError(
        words, word=word or f"status_{status}", status=status, hint=HINTS.get(word, "")
    )


def _after_s(text: str) -> float | None:
    return min(float(text), _LONGEST_WAIT_S) if text.isascii() and text.isdecimal() else None


def _offset(answer: requests.Response) -> int:
    text = answer.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):  # noqa: PLR2004 - a size
        raise UnreachableError("the collector did not say how many bytes it has")
    return int(text)


def _json(octets: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        return None
