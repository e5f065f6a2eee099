import json
from typing import Any

import pytest

from mptcp_check.analysis.diagnose import RULES_VERSION, diagnose
from mptcp_check.analysis.outcome import Witness
from mptcp_check.analysis.reporting import report, run_document
from mptcp_check.analysis.reporting.run_document import Observed
from mptcp_check.model import Exchange, Family, Outcome, Side, State, Transfer, Transport
from traces import START_NS, TWO_PATHS, captures

REMOVED = TWO_PATHS.replace("0.1 > SYN join", "0.1 > SYN join => -join nop=12")
CONTROL = """
    0.000 0 > SYN
    0.020 0 < SYN/ACK
    0.040 0 > ACK
    0.041 0 > PSH data=100
    0.060 0 < PSH data=900
"""
LATER = "\n".join(
    f"{float(line.split()[0]) + 2:.3f} 1{' '.join(line.split()[1:]).removeprefix('0')}"
    if line.split()[1].startswith("0")
    else f"{float(line.split()[0]) + 2:.3f} 1 {' '.join(line.split()[1:])}"
    for line in REMOVED.splitlines()
    if line.strip()
)


FINDING_KEYS = {"behaviour", "state", "direction", "connection", "subflow", "confidence", "because"}


def document(text: str, *, one_sided: bool = False) -> dict[str, Any]:
    client, server = captures(text)
    made = report.document(diagnose(client, None if one_sided else server), tool_version="1.2")
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def test_the_contract_of_the_report_is_kept() -> None:
    found = document(REMOVED)

    assert found["schema"] == "mptcp-check.report/1"
    assert (found["rules_version"], found["tool_version"]) == (RULES_VERSION, "1.2")
    assert found["outcome"] == Outcome.MPTCP_DEGRADED
    (connection,) = found["connections"]
    assert (connection["client"], connection["server"]) == ("10.77.0.1:40000", "10.77.0.2:80")
    assert connection["mptcp_version"] == 1
    assert len(connection["token"]) == 8
    assert [s["role"] for s in connection["subflows"]] == ["initial", "join"]
    (seen,) = [f for f in found["findings"] if f["state"] == State.SEEN]
    assert set(seen) > FINDING_KEYS
    assert seen["evidence"] == [{"side": "client", "frame": 9}, {"side": "server", "frame": 9}]
    assert seen["explained_by"] is None


def test_the_evidence_travels_with_the_report() -> None:
    found = document(REMOVED)

    sent, received = found["packets"]
    assert [o["name"] for o in sent["options"]][-1] == "MP_JOIN"
    assert [o["name"] for o in received["options"]][-12:] == ["NOP"] * 12
    assert sent["flags"] == "SYN"
    assert sent["payload"] is None


def test_changed_payload_is_shown_around_the_first_byte() -> None:
    found = document(
        TWO_PATHS.replace("0.062 < PSH data=1000 dss", "0.062 < PSH data=1000 dss => flip=500")
    )

    sent, received = found["packets"]
    assert sent["payload"]["offset"] == received["payload"]["offset"] == 484
    before, after = (bytes.fromhex(p["payload"]["hex"]) for p in (sent, received))
    assert [a != b for a, b in zip(before, after, strict=True)].index(True) == 16


def test_one_capture_is_said_to_be_one() -> None:
    found = document(TWO_PATHS, one_sided=True)

    assert found["one_sided"] is True
    assert "only one capture" in found["summary"][-1]
    assert {f["confidence"] for f in found["findings"] if f["connection"] is not None} == {
        "one_sided"
    }


def exchange(id_: int, transport: Transport) -> Exchange:
    return Exchange(
        id=id_,
        app="http",
        mode=None,
        direction=Transfer.DOWNLOAD,
        transport=transport,
        checksum=False,
        paths=2 if transport is Transport.MPTCP else 1,
        family=Family.IPV4,
        port=80,
        payload_bytes=900,
        deadline_s=5.0,
    )


def observed(id_: int, transport: Transport, start_s: float, **witness: object) -> Observed:
    start_ns = START_NS + round(start_s * 1e9)
    values = {"finished": True, "deadline_hit": False, "sha256_ok": True, **witness}
    return Observed(
        exchange=exchange(id_, transport),
        start_ns=start_ns - 1_000_000,
        end_ns=start_ns + 900_000_000,
        duration_ns=900_000_000,
        arrived_bytes=900,
        witness=Witness(**values),
    )


def run(**witness: object) -> dict[str, Any]:
    found = diagnose(*captures(CONTROL + LATER))
    judged = run_document.judge_exchanges(
        found,
        [observed(0, Transport.MPTCP, 2.0, **witness), observed(1, Transport.TCP, 0.0, **witness)],
    )
    made = run_document.document(
        found, judged, tool_version="1.2", about={"run_id": "r", "directory": "/d"}
    )
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def test_the_contract_of_a_run_is_kept() -> None:
    found = run()

    assert (found["schema"], found["run_id"]) == ("mptcp-check.run/1", "r")
    assert [e["outcome"] for e in found["exchanges"]] == ["mptcp_degraded", "tcp"]
    assert found["report"]["outcome"] == "mptcp_degraded"
    assert found["upload"] == {"state": "none", "url": None}
    over_mptcp, control = found["exchanges"]
    assert [found["report"]["findings"][i]["behaviour"] for i in over_mptcp["findings"]] == [
        "mp_join_removed"
    ]
    assert (over_mptcp["connections"], control["connections"]) == ([1], [0])
    assert (over_mptcp["subflows"], control["subflows"]) == (1, 1)
    assert "so the only exchange went on with fewer paths" in found["summary"][0]


def test_a_failure_that_the_control_shares_is_not_multipath_tcps() -> None:
    found = run(finished=False, deadline_hit=True, sha256_ok=None)

    assert [e["outcome"] for e in found["exchanges"]] == ["unreachable", "unreachable"]


def test_doubts_are_counted_in_the_closing_sentences() -> None:
    found = run(proven=False, proof_reason="no counter moved")

    assert "In 1 exchange " in found["summary"][-1]
    assert "no counter moved" in found["exchanges"][0]["contradictions"][0]


@pytest.mark.parametrize("side", list(Side))
def test_a_frame_that_holds_no_segment_shows_nothing(side: Side) -> None:
    from mptcp_check.analysis.reporting.packet_view import packet_view  # noqa: PLC0415 - used here only

    client, _ = captures(TWO_PATHS)

    assert packet_view(client, side, 99) is None
