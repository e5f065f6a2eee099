"""The services' process: it answers the interface, and keeps programs and folders in order."""

import contextlib
import logging
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any, Final

from mptcp_check.server.line_protocol import line, parse, read_line
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.programs import Programs
from mptcp_check.server.services.service import Account, FileDigest, ProgramState, ServicesState
from mptcp_check.server.services.session_folders import SessionFolders
from mptcp_guest.messages import Content, ContentForm
from mptcp_guest.refusal import RefusalError
from mptcp_guest.serving import ftp
from mptcp_guest.serving.sharing import Login

MOST_CONNECTIONS: Final = 256
_THREADS: Final = 8
_ROUND_S: Final = 0.5
_TALK_S: Final = 30.0
_PASSWORD_BYTES: Final = 12

log = logging.getLogger(__name__)


class ServicesProcess:
    """Serves until `ending` is set.

    Args:
        programs: The servers.
        folders: What sessions keep.
        about: Kernel, machine and tools.
        wall_ns: Reads the clock.
        random_bytes: Makes passwords.
        orphaned: Says that it is time to end.
    """

    def __init__(
        self,
        programs: Programs,
        folders: SessionFolders,
        about: ServicesState,
        *,
        wall_ns: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        orphaned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._programs = programs
        self._folders = folders
        self._about = about
        self._wall_ns = wall_ns
        self._random_bytes = random_bytes
        self._orphaned = orphaned
        self._lock = threading.Lock()
        self._accounts = {one.user: one for one in folders.accounts()}
        self._logins = {name: _login(one) for name, one in self._accounts.items()}
        self._told = False
        self.ending = False

    def serve(self, listening: socket.socket) -> None:
        """Answer whoever comes, and look after everything twice a second."""
        listening.settimeout(_ROUND_S)
        self._admit()
        with ThreadPoolExecutor(_THREADS) as pool, selectors.DefaultSelector() as selector:
            selector.register(listening, selectors.EVENT_READ)
            try:
                while not self.ending:
                    self._look_after()
                    if selector.select(_ROUND_S):
                        connection, _ = listening.accept()
                        pool.submit(self._answer_one, connection)
            finally:
                self._programs.end()

    def _look_after(self) -> None:
        self._programs.keep()
        if self._programs.settled and not self._told:
            self._told = True
            log.info("ready: %s", _told(self._programs.states()))
        now_ns = self._wall_ns()
        with self._lock:
            late = [one for one in self._accounts.values() if one.until_ns <= now_ns]
        for account in late:
            with contextlib.suppress(ProblemError):
                self._close(account.user)
        self._folders.restrain()
        self.ending = self.ending or self._orphaned()

    def _answer_one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_TALK_S)
            connection.sendall(line(self._answered(parse(read_line(connection)))))

    def _answered(self, document: dict[str, Any]) -> dict[str, Any]:
        verbs: dict[str, Callable[[dict[str, Any]], object]] = {
            "ready": lambda _: self._programs.settled,
            "state": lambda _: self._state(),
            "open": lambda asked: asdict(self._open(asked)),
            "offer": lambda asked: asdict(self._offer(asked)),
            "received": lambda asked: _maybe(self._folders.received(*_named(asked))),
            "discard": lambda asked: self._folders.discard(*_named(asked)),
            "close": lambda asked: self._close(str(asked["marker"])),
        }
        try:
            return {"answer": verbs[str(document.get("verb"))](document)}
        except ProblemError as e:
            return {"problem": e.problem.name, "detail": e.problem.detail}
        except (KeyError, TypeError, ValueError):
            return {"problem": "internal"}
        except (RefusalError, OSError) as e:
            log.error("%s failed: %s", document.get("verb"), e)  # noqa: TRY400 - it says it all
            return {"problem": "services-unavailable"}

    def _state(self) -> dict[str, Any]:
        return replace(self._about, programs=self._programs.states()).document()

    def _open(self, asked: dict[str, Any]) -> Account:
        marker, until_ns = str(asked["marker"]), int(asked["until_ns"])
        key = str(asked.get("ssh_client_key", ""))
        with self._lock:
            known = self._accounts.get(marker)
            if known is not None and key in {"", known.ssh_client_key}:
                return known
            account = known or Account(
                user=marker,
                password=self._random_bytes(_PASSWORD_BYTES).hex(),
                until_ns=until_ns,
            )
            account = replace(account, ssh_client_key=key)
            self._folders.open(account)
            self._accounts[marker], self._logins[marker] = account, _login(account)
            try:
                self._admit()
            except BaseException:
                del self._accounts[marker], self._logins[marker]
                self._folders.close(marker)
                raise
            return account

    def _close(self, marker: str) -> None:
        with self._lock:
            self._folders.close(marker)
            if self._accounts.pop(marker, None) is not None:
                del self._logins[marker]
                self._admit()

    def _admit(self) -> None:
        self._programs.admit(list(self._logins.values()))

    def _offer(self, asked: dict[str, Any]) -> FileDigest:
        given: dict[str, Any] = asked["content"]
        forms: dict[str, ContentForm] = {"lines": "lines", "zeros": "zeros"}
        content = Content(
            seed=str(given["seed"]),
            bytes=int(given["bytes"]),
            form=forms.get(given["form"], "bytes"),
        )
        return self._folders.offer(*_named(asked), content)


def _login(account: Account) -> Login:
    return Login(
        marker=account.user,
        password=account.password,
        password_hash=ftp.hashed(account.password),
        ssh_client_key=account.ssh_client_key,
    )


def _told(programs: Sequence[ProgramState]) -> str:
    """Return each service with its ports, for who reads the log."""
    ports: dict[str, list[str]] = {}
    for one in programs:
        ports.setdefault(one.service, []).append(str(one.port))
    told = [f"{service} at {' '.join(dict.fromkeys(own))}" for service, own in ports.items()]
    return ", ".join(told) or "no application server"


def _named(asked: dict[str, Any]) -> tuple[str, str, str]:
    return str(asked["marker"]), str(asked["service"]), str(asked["name"])


def _maybe(digest: FileDigest | None) -> dict[str, Any] | None:
    return None if digest is None else asdict(digest)
