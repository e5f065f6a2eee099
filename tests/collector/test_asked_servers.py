"""The collector asks a measurement server, the real application over TLS, for its capture."""

import datetime as dt
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import measurement_server
from collector_threaded import threaded
from golden.diagnosed import capture_path
from measurement_server import Held, Parts
from mptcp_check.model import Side
from mptcp_check.server.api import application
from mptcp_check.server.serving import self_signed
from mptcp_collector.configuration import MeasurementServer
from mptcp_collector.jobs.server_sources import Asked, NeverError, NotYetError
from mptcp_collector.meta.records import ServerCapture

CAPTURE = capture_path("clean", Side.SERVER).read_bytes()
LIMIT_BYTES = 1 << 20


@dataclass
class There:
    """A measurement server, and how a collector knows it."""

    parts: Parts
    held: Held
    known: MeasurementServer

    def wanted(self) -> ServerCapture:
        return ServerCapture(
            run_id="a-run-with-a-ticket",
            server_id="test",
            session_id=self.held.document["session"],
            token=self.held.document["ticket"],
            collect_until_ns=0,
        )

    def stop(self, *, sha256: str = "") -> None:
        self.held.post("/capture/stop")
        stopped = self.parts.captures.stopped
        key = self.held.document["session"]
        right = hashlib.sha256(CAPTURE).hexdigest()
        stopped[key] = replace(stopped[key], sha256=sha256 or right)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[There]:
    certificate, private_key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    now = dt.datetime.fromtimestamp(certificate.parent.stat().st_mtime, tz=dt.UTC)
    fingerprint = self_signed.make(
        ["127.0.0.1"], certificate=certificate, private_key=private_key, now=now, days=2
    )
    with (
        measurement_server.parts(tmp_path) as parts,
        threaded(
            application.make(parts.sessions), certificate=certificate, private_key=private_key
        ) as (url, _),
    ):
        parts.captures.octets = CAPTURE
        held = parts.session(parts.client())
        held.post("/capture/start")
        known = MeasurementServer(key="server.pem", url=url, fingerprint=fingerprint)
        yield There(parts=parts, held=held, known=known)


def fetched(there: There, **changes: object) -> bytes:
    file = io.BytesIO()
    limit_bytes = int(str(changes.pop("limit_bytes", LIMIT_BYTES)))
    known = replace(there.known, **changes)
    Asked(known).fetch(there.wanted(), file, limit_bytes=limit_bytes)
    return file.getvalue()


def test_a_capture_is_fetched_with_the_sessions_own_ticket(there: There) -> None:
    with pytest.raises(NotYetError, match="still runs"):
        fetched(there)
    there.stop()
    assert fetched(there) == CAPTURE


def test_a_server_with_another_certificate_is_not_believed(there: There) -> None:
    there.stop()
    with pytest.raises(NotYetError, match="does not answer"):
        fetched(there, fingerprint="ab" * 32)
    with pytest.raises(NotYetError, match="does not answer"):
        fetched(there, fingerprint="")


def test_what_is_too_large_or_gone_will_not_come(there: There) -> None:
    there.stop()
    with pytest.raises(NeverError, match="1 to 100 bytes"):
        fetched(there, limit_bytes=100)
    there.held.delete()
    with pytest.raises(NeverError, match="capture-missing"):
        fetched(there)


def test_a_ticket_that_has_ended_is_in_vain(there: There) -> None:
    there.stop()
    there.parts.clock.forward(100_000)
    with pytest.raises(NeverError, match="ticket-expired"):
        fetched(there)


def test_a_server_whose_capture_service_is_away_is_asked_again(there: There) -> None:
    there.stop()
    there.parts.captures.away = True
    with pytest.raises(NotYetError, match="capture-unavailable"):
        fetched(there)


def test_bytes_that_are_not_what_was_promised_are_not_taken(there: There) -> None:
    there.stop(sha256="cd" * 32)
    with pytest.raises(NotYetError, match="not what"):
        fetched(there)
