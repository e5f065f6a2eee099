"""A run against a public server, uploaded: the collector fetches the server's half by ticket.

Client, measurement server and collector are programs of their own in namespaces of their own, with
a router between them that takes Multipath TCP away.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from collector_served import Served, configured, served
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.diagnose import RULES_VERSION
from mptcp_check.analysis.flows.endpoints import source
from mptcp_check.machines.namespace import entered
from mptcp_collector import collector as collectors
from mptcp_collector import configuration
from mptcp_collector.meta.records import CaptureState, ServerCapture, Verdict
from mptcp_upload import consent
from mptcp_upload.consent import Purpose
from system.cli import PROGRAM, wait_until
from system.public_server import API_PORT, PublicServer
from system.real_site import DESK, Site

pytestmark = pytest.mark.lab

FOUND = "mp_capable_removed_from_syn"
SERVER_KEY = "site.pem"
JUDGED_S = 300


@pytest.fixture
def collector(place: Site, server: PublicServer, tmp_path: Path) -> Iterator[tuple[Path, Served]]:
    """Have a collector that knows the measurement server, and give its configuration too."""
    tables = f"""
        [retention]
        embargo_days = 0
        [measurement_servers.site]
        key = "{SERVER_KEY}"
        url = "{server.url}:{API_PORT}"
        fingerprint = "{server.fingerprint}"
    """
    path = configured(tmp_path, judging=True, more=f'listen_host = "{DESK}"', tables=tables)
    (tmp_path / "state").mkdir()
    private = load_pem_private_key((server.folder / "ticket-key.pem").read_bytes(), None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "state" / SERVER_KEY).write_bytes(public)
    with served(path, host=DESK, namespace=place.name("desk")) as running:
        yield path, running


def known(path: Path, run_id: str) -> tuple[tuple[Verdict, ...], ServerCapture | None]:
    """Return what a collector has of a run: its verdicts, newest first, and the server's half."""
    found = collectors.make(configuration.load(path))
    try:
        meta = found.receiving.meta
        return tuple(meta.verdicts(run_id)), meta.server_capture(run_id)
    finally:
        found.close()


def addresses(octets: bytes) -> set[str]:
    """Return who sent anything in a capture."""
    packets = capture_file.read(octets).packets
    return {str(source(packets, n)).rpartition(":")[0] for n in range(len(packets))}


def asked(place: Site, url: str) -> httpx2.Response:
    with entered(place.name("laptop")):
        return httpx2.get(url, timeout=60, verify=False)


def test_the_collector_judges_with_what_the_server_captured_itself(
    place: Site, server: PublicServer, collector: tuple[Path, Served], tmp_path: Path
) -> None:
    path, running = collector
    agreed = tmp_path / "agreed.json"
    purposes = [Purpose.VERDICT, Purpose.TRACES, Purpose.PUBLISH]
    consent.write(agreed, consent.agreed(purposes))
    key = place.run("desk", str(PROGRAM), "collector", "key", "--config", str(path)).strip()
    place.strip("lan0", "tcp dport 80 tcp flags & (syn|ack) == syn reset tcp option mptcp")
    try:
        said = place.call(
            "laptop", "run", "--quick", "--apps", "http", "--json",
            "--machine", "host", "--iface", "lan0", "--iface", "lan1", *server.option,
            "--collector", running.url, "--collector-key", key, "--consent", str(agreed),
            home=tmp_path,
        )  # fmt: skip
    finally:
        place.clear()

    assert said.code == 0, said.err
    document = said.document
    run_id = document["run_id"]
    assert document["upload"]["state"] == "received"
    ticket = json.loads((Path(document["directory"]) / "server-session.json").read_bytes())[
        "ticket"
    ]

    def judged() -> bool:
        verdicts, _ = known(path, run_id)
        return any(one.rules_version.startswith("server ") for one in verdicts)

    assert wait_until(judged, JUDGED_S), known(path, run_id)
    verdicts, capture = known(path, run_id)
    by = {one.rules_version: one for one in verdicts}
    assert set(by) == {f"{who}{RULES_VERSION}" for who in ("client ", "server ", "")}
    assert {tuple(sorted(f.behaviour for f in one.findings)) for one in verdicts} == {(FOUND,)}
    assert {one.outcome for one in verdicts} == {document["report"]["outcome"]}
    assert capture is not None
    assert (capture.state, capture.token) == (CaptureState.JOINED, "")

    # the server's own capture is the run's, packet for packet, and nobody's addresses are in it
    fetched = asked(place, f"{running.url}/runs/{run_id}/measurement-server.pcapng")
    assert fetched.status_code == 200
    at_home = (Path(document["directory"]) / "captures" / "server.pcapng").read_bytes()
    count = len(capture_file.read(fetched.content).packets)
    assert count == len(capture_file.read(at_home).packets) > 100
    assert addresses(fetched.content).isdisjoint(addresses(at_home))

    page = asked(place, f"{running.url}/runs/{run_id}")
    (tmp_path / "run.html").write_text(page.text)
    assert "joined by the ticket" in page.text
    assert "judged with it, the verdict is the same" in page.text
    assert "different keys" not in page.text
    theirs = asked(place, f"{running.url}/runs/{run_id}?rules=server%20{RULES_VERSION}")
    (tmp_path / "run-by-server.html").write_text(theirs.text)
    assert "MP_CAPABLE removed from the SYN" in theirs.text
    assert "replaced with different keys: that they differ says nothing" in theirs.text
    for version in by:
        assert version in page.text
    assert ticket not in page.text
