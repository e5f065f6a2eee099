"""The measurement server's own capture: by ticket, from known servers only, without addresses."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector_parts import START_NS, Parts, configuration, document, parts, problem
from collector_runs import TRACES, run_bundle
from golden.diagnosed import capture_path
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.diagnose import RULES_VERSION
from mptcp_check.analysis.flows.endpoints import source as source_of
from mptcp_check.model import Side
from mptcp_collector.configuration import Analysis, MeasurementServer
from mptcp_collector.jobs import server_sources
from mptcp_collector.jobs.server_sources import NeverError, NotYetError, Several, Shared, Source
from mptcp_collector.meta.records import CaptureState, ServerCapture

S = 10**9
KEY = Ed25519PrivateKey.generate()
RUN_ID = "run-with-a-ticket"
SESSION = "5e5510" * 5 + "ab"
FOUND = "mp_capable_removed_from_syn"
CAPTURE = capture_path(FOUND, Side.SERVER).read_bytes()


def ticket(**changes: object) -> str:
    claims = {
        "iss": "server.example",
        "aud": "mptcp-check-session",
        "sub": RUN_ID,
        "jti": SESSION,
        "iat": START_NS // S - 60,
        "exp": START_NS // S + 3600,
        **changes,
    }
    return jwt.encode(claims, KEY, algorithm="EdDSA")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    settings = dataclasses.replace(configuration(tmp_path / "state"), analysis=Analysis())
    with parts(settings) as found:
        receiving = dataclasses.replace(
            found.collector.receiving, servers={"server.example": KEY.public_key()}
        )
        found.collector = dataclasses.replace(found.collector, receiving=receiving)
        found.client.http.app.state.collector = found.collector
        yield found


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def joined(server: Parts, sources: Mapping[str, Source]) -> int:
    return dataclasses.replace(server.collector.joining, sources=sources).join_due()


def sent(server: Parts, *, sides: tuple[Side, ...] = (Side.CLIENT,), **changes: object) -> None:
    octets = run_bundle(RUN_ID, FOUND, sides=sides, purposes=TRACES)
    answer = server.client.upload(octets, RUN_ID, ticket=ticket(**changes))
    assert answer.status_code == 204


def known(server: Parts) -> ServerCapture:
    found = server.collector.receiving.meta.server_capture(RUN_ID)
    assert found is not None
    return found


def test_it_is_joined_without_addresses_and_both_ends_are_judged(
    server: Parts, shared: Path
) -> None:
    sent(server)
    assert server.collector.judging.judge_received() == 1
    meta = server.collector.receiving.meta
    one_sided = meta.verdicts(RUN_ID)[0]
    assert FOUND not in {one.behaviour for one in one_sided.findings}
    assert known(server).token
    text = server.client.http.get(f"/runs/{RUN_ID}").text
    assert "not here yet" in text

    (shared / f"{SESSION}.pcapng").write_bytes(CAPTURE)
    assert joined(server, {"server.example": Shared(shared)}) == 1
    capture = known(server)
    assert (capture.state, capture.token) == (CaptureState.JOINED, "")
    with server.collector.receiving.blobs.open(capture.sha256) as blob:
        kept = blob.read()
    packets = capture_file.read(kept).packets
    original = capture_file.read(CAPTURE).packets
    assert len(packets) == len(original)
    assert {str(source_of(packets, n)).rpartition(":")[0] for n in range(len(packets))}.isdisjoint(
        str(source_of(original, n)).rpartition(":")[0] for n in range(len(original))
    )

    assert server.collector.judging.judge_received() == 1, "what was joined is judged again"
    newest, *former = meta.verdicts(RUN_ID)
    assert newest.rules_version == f"server {RULES_VERSION}"
    assert {one.rules_version for one in former} == {RULES_VERSION, f"client {RULES_VERSION}"}
    assert FOUND in {one.behaviour for one in newest.findings}
    findings = json.loads(newest.report)["report"]["findings"]
    translated = [one for one in findings if one["behaviour"] == "address_translated"]
    assert {one["state"] for one in translated} == {"not_measured"}
    assert "different keys" in translated[0]["because"]
    text = server.client.http.get(f"/runs/{RUN_ID}").text
    assert "joined by the ticket" in text
    actions = [action for _, action in meta.audit(RUN_ID)]
    assert "server's capture joined" in actions


def test_where_the_bundle_has_both_ends_its_own_pair_stays_the_newest(
    server: Parts, shared: Path
) -> None:
    sent(server, sides=tuple(Side))
    (shared / f"{SESSION}.pcapng").write_bytes(CAPTURE)
    assert joined(server, {"server.example": Shared(shared)}) == 1
    server.collector.judging.judge_received()
    versions = [one.rules_version for one in server.collector.receiving.meta.verdicts(RUN_ID)]
    assert versions[0] == RULES_VERSION
    assert f"server {RULES_VERSION}" in versions


def test_it_is_tried_again_until_the_servers_deadline_and_then_given_up(server: Parts) -> None:
    class Away:
        patience_s = 0
        tried_count = 0

        def fetch(self, *_: object, **__: object) -> None:
            self.tried_count += 1
            raise NotYetError("the measurement server does not answer")

    away = Away()
    sent(server)
    waits = []
    for _ in range(200):
        assert joined(server, {"server.example": away}) == 0
        if known(server).state is CaptureState.GONE:
            break
        next_ns = known(server).next_try_ns
        waits.append((next_ns - server.clock.now_ns) // S)
        assert joined(server, {"server.example": away}) == 0, "not before its time"
        assert away.tried_count == len(waits)
        server.clock.now_ns = next_ns
    assert waits[:4] == [30, 60, 120, 240]
    assert max(waits) <= 3600
    assert server.clock.now_ns >= START_NS + 3600 * S
    gone = known(server)
    assert gone.token == ""
    assert "does not answer" in gone.reason
    assert "cannot be had" in server.client.http.get(f"/runs/{RUN_ID}").text
    assert server.collector.judging.judge_received() == 1, "the run is judged without it"


@pytest.mark.parametrize("name", ["link", "folder", "large", "empty"])
def test_what_is_no_capture_in_the_shared_folder_is_not_taken(
    server: Parts, shared: Path, name: str
) -> None:
    path = shared / f"{SESSION}.pcapng"
    if name == "link":
        secret = shared.parent / "secret"
        secret.write_bytes(CAPTURE)
        path.symlink_to(secret)
    elif name == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"x" * (70 << 20 if name == "large" else 0))
    sent(server)
    assert joined(server, {"server.example": Shared(shared)}) == 0
    assert known(server).state is (CaptureState.WAITING if name == "link" else CaptureState.GONE)


def test_a_capture_that_is_none_is_refused_by_the_sandbox(server: Parts, shared: Path) -> None:
    (shared / f"{SESSION}.pcapng").write_bytes(b"no capture")
    sent(server)
    assert joined(server, {"server.example": Shared(shared)}) == 0
    assert known(server).state is CaptureState.GONE
    blobs = server.collector.receiving.blobs
    assert len(list(blobs.digests())) == 1, "the bundle only"


def test_a_server_that_is_not_configured_is_never_asked(server: Parts) -> None:
    sent(server)
    assert joined(server, {}) == 0
    assert known(server).reason == "this collector does not know that server any more"
    empty = server_sources.source(MeasurementServer(key="server.pem"))
    with pytest.raises(NeverError, match="no way"):
        empty.fetch(known(server), None, limit_bytes=1)  # type: ignore[arg-type] # not reached


def test_no_address_and_no_name_of_a_file_comes_from_a_ticket(server: Parts) -> None:
    octets = run_bundle(RUN_ID, FOUND, sides=(Side.CLIENT,))
    for session in ("../../../etc/passwd", "a/b", "", "x" * 65, "ä", "http://192.0.2.1/"):
        answer = server.client.create(octets, RUN_ID, ticket=ticket(jti=session))
        assert problem(answer) == "ticket_invalid"
    for exp in ("soon", -1, 2**40):
        answer = server.client.create(octets, RUN_ID, ticket=ticket(exp=exp))
        assert problem(answer) == "ticket_invalid"


def test_a_deleted_run_takes_the_servers_capture_with_it(server: Parts, shared: Path) -> None:
    sent(server)
    (shared / f"{SESSION}.pcapng").write_bytes(CAPTURE)
    joined(server, {"server.example": Shared(shared)})
    receiving = server.collector.receiving
    assert len(list(receiving.blobs.digests())) == 2
    receiving.remove(receiving.run(RUN_ID), action="deleted by the operator")
    assert list(receiving.blobs.digests()) == []


def test_a_run_deleted_while_its_capture_comes_leaves_nothing(server: Parts) -> None:
    class Slow:
        patience_s = 0

        def fetch(self, _: ServerCapture, file: BinaryIO, **__: object) -> None:
            file.write(CAPTURE)
            receiving = server.collector.receiving
            receiving.remove(receiving.run(RUN_ID), action="deleted by the operator")

    sent(server)
    assert joined(server, {"server.example": Slow()}) == 0
    assert list(server.collector.receiving.blobs.digests()) == []


def test_the_first_of_several_sources_that_has_it_is_taken(shared: Path, tmp_path: Path) -> None:
    (shared / "s.pcapng").write_bytes(CAPTURE)
    wanted = ServerCapture(
        run_id=RUN_ID, server_id="x", session_id="s", token="", collect_until_ns=0
    )
    several = Several(Shared(tmp_path / "nowhere"), Shared(shared))
    assert several.patience_s == server_sources.PUT_HERE_S
    with (tmp_path / "taken").open("w+b") as file:
        several.fetch(wanted, file, limit_bytes=1 << 20)
    assert (tmp_path / "taken").read_bytes() == CAPTURE


def test_the_interface_never_shows_the_ticket(server: Parts) -> None:
    sent(server)
    token = known(server).token
    http = server.client.http
    for url in (f"/api/v1/runs/{RUN_ID}", f"/api/v1/runs/{RUN_ID}/receipt", f"/runs/{RUN_ID}"):
        assert token not in http.get(url).text
    assert document(http.get(f"/api/v1/runs/{RUN_ID}"))["state"] == "received"


def test_without_a_sandbox_no_ticket_is_kept(server: Parts) -> None:
    receiving = server.collector.receiving
    settings = dataclasses.replace(receiving.configuration, analysis=Analysis(enabled=False))
    server.collector = dataclasses.replace(
        server.collector, receiving=dataclasses.replace(receiving, configuration=settings)
    )
    server.client.http.app.state.collector = server.collector
    sent(server)
    assert receiving.meta.server_capture(RUN_ID) is None
    assert [one.token for one in receiving.meta.uploads(finished=True)] == [""]
