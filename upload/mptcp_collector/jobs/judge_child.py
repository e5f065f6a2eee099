"""The program in the sandbox: a bundle on standard input, one JSON document on standard output.

It reads what anybody may have written, so it has no network, little memory and no files: see
`sandbox`.  Its answer is validated like anything else that comes from outside.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mptcp_check import __version__
from mptcp_check.analysis import excusing
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.analysis.reporting import report
from mptcp_check.model import Side
from mptcp_upload import bundle
from mptcp_upload.bundle import Bundle
from mptcp_upload.errors import BundleError

REPORT: Final = "report.json"
CLIENT: Final = "client "
"""In front of the rules' version of a verdict that the client brought: it saw the originals."""


def judged(octets: bytes, run_id: str) -> dict[str, Any]:
    """Return the verdicts on a bundle, or why there are none; never raises for its bytes."""
    try:
        read = bundle.read(octets)
        if read.manifest["run_id"] == run_id:
            return {"verdicts": list(_verdicts(read))}
    except BundleError as e:
        return {"refused": e.reason, "because": e.message}
    because = "the bundle is of another run than it was announced for"
    return {"refused": "bad_bundle", "because": because}


def _verdicts(read: Bundle) -> Iterator[dict[str, Any]]:
    try:
        document = json.loads(read.content(REPORT))
        brought = document["report"]
        applications = {int(one["port"]): str(one["app"]) for one in document["exchanges"]}
        handovers = list(excusing.told(document))
        yield _verdict(brought, applications, prefix=CLIENT)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
        raise BundleError(f"{REPORT} cannot be read: {type(e).__name__}") from None
    captures = {
        side: capture_file.read(read.content(f"captures/{side.value}.pcapng"))
        for side in Side
        if f"captures/{side.value}.pcapng" in read.names
    }
    for side, capture in captures.items():
        if not capture.format:
            raise BundleError(f"the capture of the {side.value} cannot be read")
    if Side.CLIENT in captures:
        alone = diagnose(captures[Side.CLIENT], captures.get(Side.SERVER))
        diagnosis = excusing.excused(alone, excusing.met(alone, handovers))
        yield _verdict(report.document(diagnosis, tool_version=__version__), applications)


def _verdict(
    found: Mapping[str, Any], applications: Mapping[int, str], *, prefix: str = ""
) -> dict[str, Any]:
    ports = {one["id"]: int(str(one["server"]).rpartition(":")[2]) for one in found["connections"]}
    # a finding is looked for in each connection: what was not seen is in the report
    seen = [one for one in found["findings"] if one["state"] == "seen"]
    rows = {(str(one["behaviour"]), ports.get(one["connection"], 0)) for one in seen}
    return {
        "rules_version": prefix + str(found["rules_version"]),
        "outcome": str(found["outcome"]),
        "report": found,
        "findings": [
            {
                "behaviour": behaviour,
                "state": "seen",
                "application": applications.get(port, ""),
                "port": port,
            }
            for behaviour, port in sorted(rows)
        ],
    }


if __name__ == "__main__":
    json.dump(judged(sys.stdin.buffer.read(), sys.argv[1]), sys.stdout)
