"""A collector for tests: a clock set by hand, a client that speaks tus."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from starlette.testclient import TestClient

from mptcp_collector import collector
from mptcp_collector.api import application
from mptcp_collector.collector import Collector
from mptcp_collector.configuration import Analysis, Configuration, Limits
from mptcp_collector.problem import URN

START_NS = 1_800_000_000 * 10**9
TOKEN = "the client's own deletion token"  # noqa: S105 - a test's
TUS = {"Tus-Resumable": "1.0.0"}
RUN_ID = "01hzy0run0000000000000000a"


@dataclass
class Clock:
    now_ns: int = START_NS

    def __call__(self) -> int:
        return self.now_ns


def bundle(number: int = 0, size_bytes: int = 5000) -> bytes:
    """Return bytes that no other number has."""
    return hashlib.shake_128(f"bundle {number}".encode()).digest(size_bytes)


def announcement(
    octets: bytes, run_id: str = RUN_ID, *, token: str = TOKEN, **more: str
) -> dict[str, str]:
    """Return the header fields that create an upload."""
    values = {
        "run_id": run_id,
        "bundle_sha256": hashlib.sha256(octets).hexdigest(),
        "schema": "mptcp-check.bundle/1",
        "deletion_sha256": hashlib.sha256(token.encode()).hexdigest(),
        **more,
    }
    pairs = [f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in values.items()]
    return {**TUS, "Upload-Length": str(len(octets)), "Upload-Metadata": ",".join(pairs)}


def problem(answer: httpx2.Response) -> str:
    """Return the stable word of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    return str(document["type"]).removeprefix(URN)


@dataclass
class Client:
    """Uploads as a client does; `http` is any client of the collector's address."""

    http: Any

    def create(self, octets: bytes, run_id: str = RUN_ID, **more: str) -> httpx2.Response:
        headers = announcement(octets, run_id, **more)
        return self.http.post("/api/v1/uploads", headers=headers)

    def patch(self, location: str, octets: bytes, offset: int, **more: str) -> httpx2.Response:
        headers = {
            **TUS,
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            **more,
        }
        return self.http.patch(location, content=octets, headers=headers)

    def head(self, location: str) -> httpx2.Response:
        return self.http.head(location, headers=TUS)

    def upload(self, octets: bytes, run_id: str = RUN_ID, **more: str) -> httpx2.Response:
        """Send all of a bundle at once, from wherever it stopped; return the last answer."""
        created = self.create(octets, run_id, **more)
        if created.status_code != 201:
            return created
        offset = int(created.headers["Upload-Offset"])
        if offset == len(octets):
            return self.head(created.headers["Location"])
        return self.patch(created.headers["Location"], octets[offset:], offset)

    def receipt(self, run_id: str = RUN_ID) -> httpx2.Response:
        return self.http.get(f"/api/v1/runs/{run_id}/receipt")


@dataclass
class Parts:
    """A collector, its clock and its client."""

    collector: Collector
    clock: Clock
    client: Client
    folder: Path
    others: list[TestClient] = field(default_factory=list)


def configuration(folder: Path, **limits: int) -> Configuration:
    """Return a configuration that keeps everything in a folder."""
    roomy = {"free_bytes": 1 << 20, "requests_per_minute": 1_000_000}
    return Configuration(
        state=folder,
        public_url="https://collector.example/",
        limits=Limits(**(roomy | limits)),
        analysis=Analysis(enabled=False),
    )


def made(settings: Configuration, clock: Clock) -> Collector:
    """Return a collector that reads a clock of ours."""
    found = collector.make(settings)
    return replace(found, receiving=replace(found.receiving, wall_ns=clock))


@contextmanager
def parts(settings: Configuration, *, address: str = "192.0.2.7") -> Iterator[Parts]:
    """Give a collector without a network around it."""
    clock = Clock()
    found = made(settings, clock)
    app = application.make(found)
    with TestClient(app, raise_server_exceptions=False, client=(address, 50_000)) as http:
        yield Parts(collector=found, clock=clock, client=Client(http), folder=settings.state)
    found.close()


def document(answer: httpx2.Response) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    found = json.loads(answer.content)
    assert isinstance(found, dict)
    return found
