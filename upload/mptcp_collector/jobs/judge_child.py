"""The program in the sandbox: a bundle on standard input, one JSON document on standard output.

After the bundle's bytes may come the measurement server's own capture.  It reads what anybody may
have written, so it has no network, little memory and no files: see `sandbox`.  Its answer is
validated like anything else that comes from outside.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from mptcp_check import __version__
from mptcp_check.analysis import excusing
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.diagnose import Diagnosis, blame, diagnose
from mptcp_check.analysis.reporting import report, run_document
from mptcp_check.analysis.reporting.exchange_record import observed
from mptcp_check.model import Side, State
from mptcp_check.netblock import UNKNOWN, netblock
from mptcp_collector.jobs.whose_verdict import CLIENT, KEYED, KEYED_BECAUSE, SERVER
from mptcp_upload import bundle
from mptcp_upload.bundle import Bundle
from mptcp_upload.errors import BundleError

REPORT: Final = "report.json"
EXCHANGES: Final = "exchanges.json"
EMBEDDED: Final = "embedded"
"""The network that is the same at everybody's."""


def judged(octets: bytes, run_id: str, server: bytes = b"") -> dict[str, Any]:
    """Return the verdicts on a bundle, the newest one last, or why there are none; never raises.

    Args:
        octets: The bundle.
        run_id: Whose it must be.
        server: The measurement server's capture, anonymised; empty without one.
    """
    try:
        read = bundle.read(octets)
        if read.manifest["run_id"] != run_id:
            because = "the bundle is of another run than it was announced for"
            return {"refused": "bad_bundle", "because": because}
        document = _document(read)
        captures = _captures(read)
        return {
            "purposes": _purposes(read),
            "captures": [side.value for side in captures],
            "marks": _marks(document),
            "verdicts": list(_verdicts(read, document, captures, server)),
        }
    except BundleError as e:
        return {"refused": e.reason, "because": e.message}


def _document(read: Bundle) -> dict[str, Any]:
    try:
        document = json.loads(read.content(REPORT))
        _verdict(document, document)
        _marks(document)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
        raise BundleError(f"{REPORT} cannot be read: {type(e).__name__}") from None
    else:
        found: dict[str, Any] = document
        return found


def _captures(read: Bundle) -> dict[Side, Capture]:
    captures = {
        side: capture_file.read(read.content(f"captures/{side.value}.pcapng"))
        for side in Side
        if f"captures/{side.value}.pcapng" in read.names
    }
    for side, capture in captures.items():
        if not capture.format:
            raise BundleError(f"the capture of the {side.value} cannot be read")
    return captures


def _verdicts(
    read: Bundle, brought: Mapping[str, Any], captures: Mapping[Side, Capture], server: bytes
) -> Iterator[dict[str, Any]]:
    yield _verdict(brought, brought, prefix=CLIENT)
    if Side.CLIENT not in captures:
        return
    client, other = captures[Side.CLIENT], captures.get(Side.SERVER)
    own = _verdict(_judge(read, brought, diagnose(client, other)), brought)
    if not server:
        yield own
        return
    seen = capture_file.read(server)
    if not seen.format:
        raise BundleError("the measurement server's capture cannot be read")
    with_server = _judge(read, brought, _without_keyed(diagnose(client, seen)))
    joined = _verdict(with_server, brought, prefix=SERVER)
    # the bundle's own pair has one map of addresses, so more can be compared
    yield from (joined, own) if other is not None else (own, joined)


def _judge(read: Bundle, brought: Mapping[str, Any], diagnosis: Diagnosis) -> dict[str, Any]:
    """Judge a run as the program at its user's does, with the facts of its exchanges."""
    if "exchanges" not in brought:
        return report.document(diagnosis, tool_version=__version__)
    try:
        if EXCHANGES not in read.names:
            handovers = list(excusing.told(brought))
            diagnosis = excusing.excused(diagnosis, excusing.met(diagnosis, handovers))
            return report.document(diagnosis, tool_version=__version__)
        rows = json.loads(read.content(EXCHANGES))["exchanges"]
        seen = [observed(row) for row in rows]
        diagnosis = run_document.considered(diagnosis, seen)
        judged_exchanges = run_document.judge_exchanges(diagnosis, seen)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
        raise BundleError(f"{EXCHANGES} cannot be read: {type(e).__name__}") from None
    facts = {name: value for name, value in brought.items() if name not in _JUDGED}
    return run_document.document(diagnosis, judged_exchanges, tool_version=__version__, about=facts)


_JUDGED: Final = frozenset({"schema", "summary", "exchanges", "report", "upload"})
"""What is not taken from the client's document: it is said anew, or belongs to the client."""


def _without_keyed(diagnosis: Diagnosis) -> Diagnosis:
    findings = tuple(
        replace(f, state=State.NOT_MEASURED, because=KEYED_BECAUSE, evidence=(), measures={})
        if f.behaviour in KEYED
        else f
        for f in diagnosis.findings
    )
    return replace(diagnosis, findings=findings, explained_by=blame(findings))


def _verdict(
    document: Mapping[str, Any], brought: Mapping[str, Any], *, prefix: str = ""
) -> dict[str, Any]:
    found = document.get("report", document)
    applications = {int(one["port"]): str(one["app"]) for one in brought.get("exchanges", ())}
    ports = {one["id"]: int(str(one["server"]).rpartition(":")[2]) for one in found["connections"]}
    # a finding is looked for in each connection: what was not seen is in the report
    seen = [one for one in found["findings"] if one["state"] == State.SEEN]
    rows = {(str(one["behaviour"]), ports.get(one["connection"], 0)) for one in seen}
    return {
        "rules_version": prefix + str(found["rules_version"]),
        "outcome": str(found["outcome"]),
        "report": document,
        "findings": [
            {
                "behaviour": behaviour,
                "state": State.SEEN.value,
                "application": applications.get(port, ""),
                "port": port,
            }
            for behaviour, port in sorted(rows)
        ],
    }


def _purposes(read: Bundle) -> list[str]:
    said = read.manifest["consent"].get("purposes", ())
    return [str(one) for one in said] if isinstance(said, list) else []


def _marks(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what a run can be chosen by besides its verdict."""
    exchanges = document.get("exchanges", ())
    network = str(document.get("network", ""))
    networks = {network} - {""}
    if network != EMBEDDED:
        networks |= {netblock(address) for address in _clients(document["report"])} - {UNKNOWN}
    return {
        "application": sorted({str(one["app"]) for one in exchanges}),
        "port": sorted({str(int(one["port"])) for one in exchanges}),
        "network": sorted(networks),
    }


def _clients(found: Mapping[str, Any]) -> Iterator[str]:
    """Give the client's addresses as the server saw them, or as it saw itself."""
    for connection in found["connections"]:
        for subflow in connection.get("subflows", ()):
            ends = subflow["ends"]
            end = ends.get(Side.SERVER.value) or ends.get(Side.CLIENT.value)
            if end:
                yield str(end["client"]).rpartition(":")[0].strip("[]")


if __name__ == "__main__":
    given = sys.stdin.buffer.read()
    size_bytes = int(sys.argv[2])
    json.dump(judged(given[:size_bytes], sys.argv[1], given[size_bytes:]), sys.stdout)
