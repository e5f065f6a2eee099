"""A measurement server for tests: a clock that is set by hand, captures that are only counted."""

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient

from mptcp_check.server.api import application
from mptcp_check.server.api.documents import PADDING_BYTES
from mptcp_check.server.capture.handshakes import Handshakes
from mptcp_check.server.capture.service import Claim, Order
from mptcp_check.server.capture.summary import Summary
from mptcp_check.server.configuration import Configuration
from mptcp_check.server.configuration_file import parse
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.service import (
    Account,
    FileDigest,
    ProgramState,
    ServicesState,
)
from mptcp_check.server.serving import api_run
from mptcp_check.server.sessions import Sessions
from mptcp_check.server.store import Store
from mptcp_guest import payload
from mptcp_guest.messages import Content

START_NS = 1_800_000_000 * 10**9
S = 10**9
RUN_ID = "01hzy0run0000000000000000"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@dataclass
class Clock:
    """Stands still until it is told to go on."""

    now_ns: int = START_NS

    def __call__(self) -> int:
        return self.now_ns

    def forward(self, seconds: float) -> None:
        self.now_ns += int(seconds * S)


@dataclass
class PretendedCaptures:
    """Keeps the orders; a stopped capture has the bytes that `octets` says."""

    folder: Path
    octets: bytes = b"pcapng" * 100
    away: bool = False
    full: bool = False
    running: dict[str, Summary] = field(default_factory=dict)
    stopped: dict[str, Summary] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)

    def available(self) -> bool:
        return not self.away

    def counts(self) -> dict[str, int]:
        return {} if self.away else {"running": len(self.running)}

    def start(self, order: Order) -> Summary:
        self._answering()
        if self.full:
            raise ProblemError("disk-full")
        self.orders.append(order)
        return self.running.setdefault(order.session_id, summary())

    def stop(self, session_id: str, *, because: str) -> Summary | None:
        self._answering()
        if session_id in self.running:
            (self.folder / session_id).write_bytes(self.octets)
            self.stopped[session_id] = replace(
                self.running.pop(session_id),
                running=False,
                because=because,
                stopped_ns=START_NS,
                file_bytes=len(self.octets),
                sha256="ab" * 32,
            )
        return self.stopped.get(session_id)

    def summary(self, session_id: str) -> Summary | None:
        self._answering()
        return self.running.get(session_id) or self.stopped.get(session_id)

    def claim(self, session_id: str, claims: Sequence[Claim]) -> int:
        self._answering()
        assert session_id in self.running
        self.claims.extend(claims)
        return 0

    def handshakes(self, session_id: str) -> Handshakes:
        self._answering()
        assert session_id in self.running
        return Handshakes(from_client_count=2, from_client_capable_count=1)

    def file(self, session_id: str) -> Path:
        return self.folder / session_id

    def forget(self, session_id: str) -> None:
        self.stopped.pop(session_id, None)
        (self.folder / session_id).unlink(missing_ok=True)

    def _answering(self) -> None:
        if self.away:
            raise ProblemError("capture-unavailable")


ANY = "0.0.0.0"  # noqa: S104 - what is told, not what listens


def program(
    service: str, transport: str, port: int, *, alive: bool = True, address: str = ANY
) -> ProgramState:
    """Return what is told of a server program that never crashed."""
    return ProgramState(
        service=service,
        transport=transport,
        address=address,
        port=port,
        alive=alive,
        restarts_count=0,
        restarted_ns=None,
        because="",
    )


@dataclass
class PretendedServices:
    """Keeps sessions' files in memory; nothing listens anywhere."""

    away: bool = False
    full: bool = False
    accounts: dict[str, Account] = field(default_factory=dict)
    files: dict[tuple[str, str, str], FileDigest] = field(default_factory=dict)
    programs: tuple[ProgramState, ...] = (program("http", "mptcp", 80, address="192.0.2.1"),)

    def available(self) -> bool:
        return not self.away

    def state(self) -> ServicesState:
        self._answering()
        return ServicesState(kernel="6.18", machine="x86_64", tools={}, programs=self.programs)

    def open(self, marker: str, *, until_ns: int, ssh_client_key: str = "") -> Account:
        self._answering()
        if self.full:
            raise ProblemError("disk-full")
        account = Account(user=marker, password="p" * 24, until_ns=until_ns)
        known = self.accounts.get(marker, account)
        key = ssh_client_key or known.ssh_client_key
        return self.accounts.setdefault(marker, replace(known, ssh_client_key=key))

    def offer(self, marker: str, service: str, name: str, content: Content) -> FileDigest:
        self._existing(marker)
        if self.full:
            raise ProblemError("disk-full")
        made = payload.digest(Content(seed=content["seed"], bytes=min(content["bytes"], 1000)))
        found = FileDigest(bytes=made["bytes"], sha256=made["sha256"])
        return self.files.setdefault((marker, service, name), found)

    def received(self, marker: str, service: str, name: str) -> FileDigest | None:
        self._existing(marker)
        return self.files.get((marker, service, name))

    def discard(self, marker: str, service: str, name: str) -> None:
        self._existing(marker)
        self.files.pop((marker, service, name), None)

    def close(self, marker: str) -> None:
        self._answering()
        self.accounts.pop(marker, None)
        self.files = {key: one for key, one in self.files.items() if key[0] != marker}

    def _existing(self, marker: str) -> None:
        self._answering()
        if marker not in self.accounts:
            raise ProblemError("services-closed")

    def _answering(self) -> None:
        if self.away:
            raise ProblemError("services-unavailable")


def summary(**changes: object) -> Summary:
    """Return a running capture without a packet, with some changes."""
    empty = Summary(
        running=True,
        started_ns=START_NS,
        stopped_ns=None,
        because="",
        packet_count=0,
        file_bytes=0,
        flow_count=0,
        mp_capable_count=0,
        mp_join_count=0,
        truncated="",
        truncated_ns=None,
        missed_packet_count=0,
        ring_dropped_count=0,
        shed_flow_count=0,
        interruptions=(),
        sha256="",
    )
    return replace(empty, **changes)


def configuration(folder: Path, more: str = "") -> Configuration:
    """Return a configuration that keeps everything in a folder; `more` is TOML of own sections."""
    text = f"""
        [server]
        id = "test.example"
        state = "{folder}"
        [api]
        certificate = "{folder}/certificate.pem"
        private_key = "{folder}/key.pem"
        [tickets]
        signing_key = "{folder}/ticket-key.pem"
        session_s = 600
        collect_s = 300
    """
    sections: dict[str, list[str]] = {}
    for part in (text, more):
        section = ""
        for line in part.splitlines():
            if line.strip().startswith("["):
                section = line.strip()
            elif line.strip():
                sections.setdefault(section, []).append(line.strip())
    merged = "\n".join("\n".join([section, *lines]) for section, lines in sections.items())
    found, errors = parse(merged)
    assert found is not None, errors
    return found


@dataclass
class Parts:
    """All of a server but its sockets."""

    sessions: Sessions
    captures: PretendedCaptures
    services: PretendedServices
    clock: Clock
    configuration: Configuration
    counters: dict[str, int]

    def client(self, address: str = "192.0.2.7", port: int = 50_000) -> TestClient:
        """Return a client at an address; a server's mistake becomes an answer, as on the wire."""
        return TestClient(
            application.make(self.sessions),
            base_url="https://test.example",
            client=(address, port),
            raise_server_exceptions=False,
        )

    def session(self, client: TestClient, **members: object) -> "Held":
        """Create a session as a client does."""
        answer = client.post("/v1/sessions", json=wish(**members))
        assert answer.status_code == 201, answer.text
        return Held(client=client, document=answer.json())


@dataclass
class Held:
    """A session and its ticket."""

    client: TestClient
    document: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/v1/sessions/{self.document['session']}"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.document['ticket']}"}

    def get(self, what: str = "", headers: dict[str, str] | None = None) -> httpx2.Response:
        return self.client.get(self.path + what, headers=self.headers | (headers or {}))

    def post(self, what: str, json: object = None) -> httpx2.Response:
        return self.client.post(self.path + what, headers=self.headers, json=json)

    def delete(self) -> httpx2.Response:
        return self.client.delete(self.path, headers=self.headers)


def wish(**members: object) -> dict[str, Any]:
    """Return a well-formed wish for a session."""
    return {"run_id": RUN_ID, "padding": "x" * PADDING_BYTES, **members}


def problem(answer: httpx2.Response) -> str:
    """Return the name of the problem that an answer is; it must be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    return str(document["type"].removeprefix("urn:mptcp-check:problem:"))


def problem_of(octets: bytes) -> str:
    """Return the name of the problem in a body."""
    return str(json.loads(octets)["type"].removeprefix("urn:mptcp-check:problem:"))


@contextmanager
def parts(folder: Path, more: str = "") -> Iterator[Parts]:
    """Give a server that keeps its state in a folder."""
    (folder / "files").mkdir(exist_ok=True)
    chosen = configuration(folder, more)
    store = Store(chosen.database)
    numbers = itertools.count(1)
    clock = Clock()
    captures = PretendedCaptures(folder=folder / "files")
    services = PretendedServices()
    counters = {"MPCapableSYNRX": 7, "MPJoinSynRx": 1}
    sessions = Sessions(
        configuration=chosen,
        store=store,
        captures=captures,
        services=services,
        key=KEY,
        wall_ns=clock,
        random_bytes=lambda count: next(numbers).to_bytes(count, "big"),
        read_counters=lambda: dict(counters),
        address_log=api_run.address_log(chosen),
    )
    try:
        yield Parts(
            sessions=sessions,
            captures=captures,
            services=services,
            clock=clock,
            configuration=chosen,
            counters=counters,
        )
    finally:
        store.close()
