"""HTTPS to one measurement server: plain TCP, its own deadline, answers as documents."""

import hashlib
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from mptcp_check.errors import ServerError
from mptcp_check.new_folder import DISK_FULL
from mptcp_check.session_client import refusals
from mptcp_check.session_client.server_list import KnownServer

LARGEST_ANSWER_BYTES: Final = 2**20
_CHUNK_BYTES: Final = 65_536
_FIRST_ERROR: Final = 400
_PROBLEM: Final = "urn:mptcp-check:problem:"


class RefusedError(ServerError):
    """The server answered, and what it says is no.

    Args:
        server: Who.
        name: The problem's name, such as ``lame-duck``; empty if it is none of ours: then another
            answers in the server's place.
        title: What it says to people.
        status: HTTP status code.
    """

    def __init__(self, server: KnownServer, *, name: str, title: str, status: int) -> None:
        words, hint = refusals.told(name, title) if name else refusals.by_another(status)
        super().__init__(f"{server.url} {words}", hint=hint)
        self.name = name
        self.status = status


class UnreachableError(ServerError):
    """The server did not answer, or its answer broke off.

    Args:
        server: Who.
        cause: What happened.
    """

    def __init__(self, server: KnownServer, cause: Exception) -> None:
        words = f"{server.url} cannot be reached: {_reason(cause)}"
        super().__init__(words, hint=refusals.unreachable(cause))
        self.cause = cause


@dataclass(slots=True, kw_only=True)
class Connection:
    """A way to ask one server; each question has a connection of its own.

    That costs a handshake for each, and a measurement asks some ten times: what matters more is
    that a connection which died in a transfer's hour of silence is never found to be dead.
    """

    server: KnownServer
    timeout_s: float
    authorities: Path | None = None
    """Certificates to trust instead of the system's, PEM."""

    def ask(
        self, method: str, path: str, *, ticket: str = "", document: object = None
    ) -> dict[str, Any]:
        """Return the document that the server answers; empty where it answers nothing.

        Raises:
            RefusedError: It answers a problem.
            ServerError: It cannot be reached, or does not answer as a measurement server.
        """
        answer: dict[str, Any] = {}

        def read(response: http.client.HTTPResponse) -> None:
            octets = self._read(response)
            if octets:
                answer.update(self._document(octets))

        self._exchange(method, path, ticket=ticket, document=document, read=read)
        return answer

    def fetch(self, path: str, *, ticket: str, file: BinaryIO, limit_bytes: int) -> str:
        """Write what a path holds to a file; return its SHA-256.

        Raises:
            RefusedError: The server answers a problem.
            ServerError: It cannot be reached, went away in the middle, or sends more than
                `limit_bytes`.
        """
        digest = hashlib.sha256()

        def read(response: http.client.HTTPResponse) -> None:
            left = limit_bytes
            while chunk := response.read(_CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise ServerError(f"{self.server.url} sends more than it said")
                file.write(chunk)
                digest.update(chunk)

        self._exchange("GET", path, ticket=ticket, document=None, read=read)
        return digest.hexdigest()

    @contextmanager
    def kept(self) -> Iterator[Callable[[str, object], dict[str, Any]]]:
        """Give a way to post documents over one connection that is open already.

        Raises:
            ServerError: As of `ask`.
        """
        with self._opened() as opened:

            def post(path: str, document: object) -> dict[str, Any]:
                _say(opened, "POST", path, ticket="", document=document)
                return self._document(self._read(self._answer(opened)))

            yield post

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        ticket: str,
        document: object,
        read: Callable[[http.client.HTTPResponse], None],
    ) -> None:
        with self._opened() as opened:
            _say(opened, method, path, ticket=ticket, document=document)
            read(self._answer(opened))

    @contextmanager
    def _opened(self) -> Iterator["_Https"]:
        opened = _Https(self)
        try:
            opened.connect()
            yield opened
        except (OSError, http.client.HTTPException) as e:
            if isinstance(e, OSError) and e.errno in DISK_FULL:
                raise  # of the file that is fetched: the server has nothing to do with it
            raise UnreachableError(self.server, e) from None
        finally:
            opened.close()

    def _answer(self, opened: "_Https") -> http.client.HTTPResponse:
        response = opened.getresponse()
        if response.status >= _FIRST_ERROR:
            raise self._refused(response)
        return response

    def _refused(self, response: http.client.HTTPResponse) -> ServerError:
        try:
            problem = self._document(self._read(response))
        except ServerError:
            problem = {}
        return RefusedError(
            self.server,
            name=_problem_name(problem),
            title=_text(problem, "title") or f"status {response.status}",
            status=response.status,
        )

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        octets = response.read(LARGEST_ANSWER_BYTES + 1)
        if len(octets) > LARGEST_ANSWER_BYTES:
            raise ServerError(f"{self.server.url} sends more than a document")
        return octets

    def _document(self, octets: bytes) -> dict[str, Any]:
        try:
            document: Any = json.loads(octets)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise ServerError(
                f"{self.server.url} does not answer as a measurement server", hint=refusals.PORTAL
            )
        return document


class _Https(http.client.HTTPSConnection):
    """A connection that is plain TCP and, where a fingerprint is known, believes only that."""

    def __init__(self, owner: Connection) -> None:
        self._pinned = owner.server.fingerprint
        if self._pinned:
            # no authorities: to read the system's takes longer than all of the handshake
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # the fingerprint is compared instead
        else:
            context = ssl.create_default_context(
                cafile=None if owner.authorities is None else str(owner.authorities)
            )
        super().__init__(
            owner.server.host, owner.server.port, timeout=owner.timeout_s, context=context
        )

    def connect(self) -> None:
        """Connect, and see who is there before anything is said."""
        super().connect()
        if not self._pinned or not isinstance(self.sock, ssl.SSLSocket):
            return
        shown = hashlib.sha256(self.sock.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != self._pinned:
            self.close()
            words = "the certificate is not the one whose fingerprint is known"
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, words)


def _say(opened: _Https, method: str, path: str, *, ticket: str, document: object) -> None:
    body = None if document is None else json.dumps(document).encode()
    headers = {"Authorization": f"Bearer {ticket}"} if ticket else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    opened.request(method, path, body=body, headers=headers)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, ssl.SSLError):
        return refusals.tls_words(error)
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return "what answers is no HTTP"


def _problem_name(document: Mapping[str, Any]) -> str:
    kind = _text(document, "type")
    return kind.removeprefix(_PROBLEM) if kind.startswith(_PROBLEM) else ""


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    # What a server says goes to a terminal: one short line of printable characters.
    return "".join(c for c in value if c.isprintable())[:200] if isinstance(value, str) else ""
