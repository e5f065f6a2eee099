import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import diagnosed
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.diagnose import Diagnosis, diagnose
from mptcp_check.exchanges import credentials
from mptcp_check.model import Side
from mptcp_upload import bundle, leak_scan, manifest, preparing, server_session
from mptcp_upload.anonymise import captures
from mptcp_upload.anonymise.identities import Identities, identities
from mptcp_upload.consent import Consent, Purpose, agreed
from mptcp_upload.errors import BundleError, ConsentError, LeakError
from mptcp_upload.server_session import ServerSession

KEY = bytes(range(32))
RUN = "01m7yb61k3p14f0rs2rvpkqs67"
EVERYTHING = agreed([Purpose.VERDICT, Purpose.TRACES])
NAMES = ("carols-laptop.corp.example", "carols-laptop", "carol")
ABOUT = {
    "run_id": RUN,
    "started": "s",
    "outcome": "o",
    "tool_version": "t",
    "rules_version": "r",
}
REPORT = {
    "schema": "mptcp-check.run/1",
    "run_id": RUN,
    "directory": "/home/carol/runs/x",
    "report": {"packets": [{"options_hex": "1e0830050a4d0001"}], "because": "10.77.0.1:40000"},
    "carol": "the key too",
}


def a_run(folder: Path, case: str = diagnosed.CLEAN) -> Path:
    (folder / "captures").mkdir(parents=True)
    (folder / "logs").mkdir()
    for side in Side:
        shutil.copyfile(diagnosed.capture_path(case, side), folder / "captures" / f"{side}.pcapng")
    (folder / "report.json").write_text(json.dumps(REPORT))
    (folder / "report.html").write_text("<p>10.77.0.1")
    (folder / "logs" / "http-10.77.0.2-80.log").write_text(
        "Carols-Laptop: 10.77.0.1 fe80::3e22:fbff:fe0a:b0c 3c:22:fb:0a:0b:0c 10%2E77.0.1 \xff"
    )
    manifest.write(folder, manifest.build(folder, about=ABOUT))
    return folder


def prepared(run: Path, consent: Consent = EVERYTHING) -> bundle.Bundle:
    return bundle.read(preparing.prepare(run, key=KEY, names=NAMES, consent=consent).octets)


def judged(diagnosis: Diagnosis) -> list[tuple[object, ...]]:
    return [
        (f.behaviour, f.state, f.direction, f.connection, f.subflow, f.confidence, f.evidence)
        for f in diagnosis.findings
    ]


def test_the_same_run_is_the_same_bundle(tmp_path: Path) -> None:
    one, other = (
        preparing.prepare(a_run(tmp_path / name), key=KEY, names=NAMES, consent=EVERYTHING)
        for name in ("one", "other")
    )

    assert one == other
    assert one.sha256 == bundle.digest(one.octets)


def test_no_canary_leaves(tmp_path: Path) -> None:
    found = prepared(a_run(tmp_path / "run"))
    everything = b"\n".join((*map(found.content, found.names), *map(str.encode, found.names)))

    for secret in (b"carol", b"10.77.0.1", b"10%2e77", b"/home/", b"0a4d0001", b"3e22:fbff"):
        assert secret not in everything.lower()
    assert "report.html" not in found.names


_SOME = ("clean", "address_translated", "checksum_invalid", "mp_join_removed", "payload_altered")


@pytest.mark.parametrize(
    "case", [c if c in _SOME else pytest.param(c, marks=pytest.mark.slow) for c in diagnosed.CASES]
)
def test_anonymised_captures_are_judged_as_the_originals(tmp_path: Path, case: str) -> None:
    found = prepared(a_run(tmp_path / "run", case))
    client, server = (read(found.content(f"captures/{side}.pcapng")) for side in Side)

    assert judged(diagnose(client, server)) == judged(diagnosed.diagnosis_of(case))


def test_certificates_in_documents_are_left_out(tmp_path: Path) -> None:
    # as curl tells them of an HTTPS exchange: names and addresses, in base64 of another encoding
    known, _ = credentials.make("x" * 16, ("198.51.100.7", "2001:db8:77::1"))
    told = json.dumps({"certs": f"Subject:CN = x\nCert:{known.tls_certificate}", "scheme": "HTTPS"})
    run = a_run(tmp_path / "run")
    (run / "exchanges.json").write_text(json.dumps({"exchanges": [{"transfer_times": told}]}))
    (run / "logs" / "http.log").write_text(
        f"Host: server.mptcp-check.invalid\nHost: box.carol.example\n{known.tls_certificate}"
        "Host: [2001:db8:77::1] 198.51.100.7\n"
    )
    manifest.write(run, manifest.build(run, about=ABOUT))
    found = prepared(run)

    times = json.loads(found.content("exchanges.json"))["exchanges"][0]["transfer_times"]
    assert json.loads(times)["scheme"] == "HTTPS"
    assert "BEGIN CERTIFICATE-----(left out)-----END" in times
    log = found.content("logs/http.log").decode()
    assert "Host: server.mptcp-check.invalid" in log, "the same in every run: it tells nothing"
    assert "MII" not in log + times
    for secret in ("carol", "2001:db8:77::1", "198.51.100.7"):
        assert secret not in log


def test_a_digest_that_holds_four_bytes_of_an_address_by_chance_gives_nobody_away(
    tmp_path: Path,
) -> None:
    run = a_run(tmp_path / "run")
    (run / "logs" / "some.log").write_text("a run's own words")
    digest = hashlib.sha256(b"a run's own words").digest()
    address = ".".join(str(b) for b in digest[8:12])
    (run / "logs" / "more.log").write_text(f"connected to {address}")
    manifest.write(run, manifest.build(run, about=ABOUT))

    found = prepared(run)

    originals = found.manifest["pre_anonymisation"]["original_members"]
    assert originals["logs/some.log"] == digest.hex()
    assert address.encode() not in found.content("logs/more.log")


def test_what_is_too_large_is_said_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path / "run")
    monkeypatch.setattr(bundle, "EXPANDED_BYTES_LIMIT", 10_000)
    monkeypatch.setattr(captures, "look", lambda *_: pytest.fail("a capture is read"))

    with pytest.raises(BundleError, match="a bundle holds 0 MB") as refused:
        prepared(run)
    assert "--verdict-only" in refused.value.hint
    assert refused.value.reason == "too_large"


def test_without_traces_no_packet_leaves(tmp_path: Path) -> None:
    found = prepared(a_run(tmp_path / "run"), agreed([Purpose.VERDICT]))

    assert not [n for n in found.names if n.endswith(".pcapng")]
    assert json.loads(found.content("report.json"))["report"]["packets"] == []


def test_what_was_known_before_is_carried(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    made = preparing.prepare(
        run, key=KEY, names=NAMES, consent=EVERYTHING, facts={"hmac_ok_count": 4}
    )
    told = bundle.read(made.octets).manifest

    assert told["pre_anonymisation"]["hmac_ok_count"] == 4
    assert told["pre_anonymisation"]["original_members"]["captures/client.pcapng"] == (
        manifest.sha256(run / "captures" / "client.pcapng")
    )
    assert told["consent"]["purposes"] == ["upload_traces", "upload_verdict"]


def test_without_consent_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ConsentError):
        prepared(a_run(tmp_path / "run"), agreed([Purpose.ANALYSE]))


def test_a_changed_run_is_not_bundled(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run / "report.json").write_text("{}")

    with pytest.raises(BundleError, match="was changed"):
        prepared(run)


def _rewritten(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((run / manifest.NAME).read_text())
    change(document)
    (run / manifest.NAME).write_text(json.dumps(document))


BAD_RUNS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a member is missing": (
        lambda run: (run / "exchanges.json").unlink(),
        "exchanges.json is missing",
    ),
    "one byte is another": (
        lambda run: (run / "logs" / "a.log").write_bytes(b"tame"),
        "logs/a.log was changed",
    ),
    "a file too many": (
        lambda run: (run / "more.log").write_text(""),
        "more.log is not in the manifest",
    ),
    "a link to somewhere else": (
        lambda run: (run / "passwd").symlink_to("/etc/passwd"),
        "passwd is not a regular file",
    ),
    "a folder that is a link": (
        lambda run: (run / "etc").symlink_to("/etc"),
        "etc is not a regular file",
    ),
    "a member above the run": (
        lambda run: _rewritten(
            run, lambda d: d["members"].update({"../../etc/passwd": {"bytes": 1, "sha256": "0"}})
        ),
        "../../etc/passwd is missing",
    ),
    "a member from the root": (
        lambda run: _rewritten(
            run, lambda d: d["members"].update({"/etc/passwd": {"bytes": 1, "sha256": "0"}})
        ),
        "/etc/passwd is missing",
    ),
    "no manifest": (lambda run: (run / manifest.NAME).unlink(), "has no manifest.json"),
    "a manifest of nothing": (
        lambda run: (run / manifest.NAME).write_text("[]"),
        "is not a manifest of schema",
    ),
    "a damaged session": (
        lambda run: (
            (run / server_session.NAME).write_text("{"),
            manifest.write(run, manifest.build(run, about=ABOUT)),
        ),
        "server-session.json cannot be read",
    ),
    "a damaged capture": (
        lambda run: (
            (run / "captures" / "client.pcapng").write_bytes(b"\x0a\x0d\x0d\x0a" * 9),
            manifest.write(run, manifest.build(run, about=ABOUT)),
        ),
        "a capture is damaged",
    ),
    "a file with a name that is none": (
        lambda run: (
            (run / "logs" / "..x").write_text(""),
            manifest.write(run, manifest.build(run, about=ABOUT)),
        ),
        "cannot be the name of a member",
    ),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_a_run_that_is_not_whole_or_leads_elsewhere_is_refused(tmp_path: Path, case: str) -> None:
    spoil, said = BAD_RUNS[case]
    run = a_run(tmp_path / "run")
    (run / "exchanges.json").write_text("{}")
    (run / "logs" / "a.log").write_bytes(b"same")
    manifest.write(run, manifest.build(run, about=ABOUT))
    spoil(run)

    with pytest.raises(BundleError) as caught:
        prepared(run)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


SESSION = ServerSession(
    server="https://10.77.0.2", session_id="s-1", run_id=RUN, ticket="e30.eyJpc3MiOiAibSJ9.c2ln"
)


def test_a_bundle_says_which_session_it_was_and_keeps_the_ticket_out(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    server_session.write(run, SESSION)
    manifest.write(run, manifest.build(run, about=ABOUT))
    made = preparing.prepare(run, key=KEY, names=NAMES, consent=EVERYTHING)
    found = bundle.read(made.octets)

    assert made.ticket == SESSION.ticket
    told = found.manifest["server_session"]
    assert told["server"].startswith("https://10.")
    assert told["server"] != SESSION.server  # the server's address is one of the captures
    assert {k: v for k, v in told.items() if k != "server"} == {
        "server_id": "m",
        "session_id": "s-1",
        "run_id": RUN,
        "ticket_sha256": hashlib.sha256(SESSION.ticket.encode()).hexdigest(),
    }
    assert server_session.NAME not in found.names
    assert SESSION.ticket.encode() not in made.octets
    assert server_session.read(run) == SESSION
    assert (run / server_session.NAME).stat().st_mode & 0o077 == 0


def test_without_consent_to_traces_nothing_opens_those_that_the_server_took(
    tmp_path: Path,
) -> None:
    run = a_run(tmp_path / "run")
    server_session.write(run, SESSION)
    manifest.write(run, manifest.build(run, about=ABOUT))
    given = agreed([Purpose.VERDICT])
    assert preparing.prepare(run, key=KEY, names=NAMES, consent=given).ticket == ""


@given(st.text())
def test_a_ticket_that_is_none_has_no_issuer(text: str) -> None:
    assert replace(SESSION, ticket=f"{text}.{text}").server_id == ""
    assert replace(SESSION, ticket=text).server_id == ""


WHO: Identities = identities(
    [bytes([203, 0, 113, 77]), bytes.fromhex("20010db8007700000000000000001234")],
    [bytes.fromhex("3c22fb0a0b0c")],
    ["carols-laptop", "bob"],
)


@pytest.mark.parametrize(
    "text",
    [
        b"203.0.113.77",
        b"203.000.113.077",
        b"203,0,113,77",
        b"203-0-113-77",
        b"77.113.0.203.in-addr.arpa",
        b"cb00714d",
        b"xxCB00714Dxx",
        b"4d7100cb",
        b"cb:00:71:4d",
        b"3405803853",
        b"2001:db8:77::1234",
        b"2001:DB8:0077:0:0:0:0:1234",
        b"2001:0db8:0077:0000:0000:0000:0000:1234",
        b"::ffff:203.0.113.77",
        b"4.3.2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        b"3c:22:fb:0a:0b:0c",
        b"3C-22-FB-0A-0B-0C",
        b"3c22.fb0a.0b0c",
        b"3c22fb0a0b0c",
        b"fe80::3e22:fbff:fe0a:0b0c",
        b"Carols-Laptop",
        b"mycarols-laptop7",
        b"/home/bob/x",
        b"carols%2Dlaptop",
        b"203.0%2e113.77",
        b"carols&#45;laptop",
        b"Y2Fyb2xzLWxhcHRvcA==",
        b"aGkgMjAzLjAuMTEzLjc3IQ==",
        b"ywBxTQ==",
        "carols-laptop".encode("utf-16-le"),
        "203.0.113.77".encode("utf-16-be"),
        rb"\xcb\x00\x71\x4d203.0.113.77",
    ],
)
def test_the_scanner_finds_every_spelling(text: bytes) -> None:
    assert leak_scan.scan("report.json", b'{"a": "' + text + b'"}', WHO)
    with pytest.raises(LeakError) as caught:
        leak_scan.require_clean({"report.json": text}, WHO)
    assert "carol" not in caught.value.message.lower()
    assert "203" not in caught.value.message


@pytest.mark.parametrize(
    "text", [b"1203.0.113.77", b"203.0.113.7", b"bobsled", b"2001:db8:77::123", b"3405803", b""]
)
def test_the_scanner_leaves_others_alone(text: bytes) -> None:
    assert leak_scan.scan("report.json", text, WHO) == []


def test_the_scanner_looks_at_names_of_members() -> None:
    assert leak_scan.scan("logs/http-203.0.113.77.log", b"", WHO)
