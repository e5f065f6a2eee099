"""Play one case and say what the diagnosis made of it: one row of the matrix."""

import json
from pathlib import Path
from typing import Any, Final

from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.analysis.reporting import run_document
from mptcp_check.analysis.reporting.exchange_record import observed
from mptcp_check.exchanges.record import document as record_document
from mptcp_check.lab.case import Case
from mptcp_check.lab.playing import mptcp_counters, play_stream
from mptcp_check.model import Side, State

RECORD: Final = "case.json"


def play_and_judge(
    case: Case, *, work: Path, number: int = 0, keep: Path | None = None
) -> dict[str, Any]:
    """Play a case and diagnose its captures.

    Args:
        case: What to play.
        work: An empty folder for the agents' files.
        number: Of this network in its sandbox.
        keep: Where to leave the captures and the result; none leaves nothing.

    Returns:
        The case, what was named, and the facts beside it, as JSON has it.

    Raises:
        MptcpCheckError: The network cannot be built.
    """
    played = play_stream(case, directory=work, number=number)
    captures = {side: played.pcapng(side) for side in Side}
    read = {side: capture_file.read(content) for side, content in captures.items()}
    diagnosis = diagnose(read[Side.CLIENT], read[Side.SERVER])
    (record,), (streamed,) = played.records, played.streams
    (judged,) = run_document.judge_exchanges(diagnosis, [observed(record_document(record))])
    result = {
        "case": case.as_json(),
        "named": sorted({cause.behaviour for cause in diagnosis.causes}),
        "seen": sorted({f.behaviour for f in diagnosis.findings if f.state is State.SEEN}),
        "because": {cause.behaviour: cause.because for cause in diagnosis.causes},
        "outcome": judged.judgement.outcome.value,
        "contradictions": list(judged.judgement.contradictions),
        "acted_count": played.acted_count(case.behaviours) if case.box is None else None,
        "arrived": {side.value: streamed.sent[side] == streamed.arrived[side] for side in Side},
        "still_mptcp": streamed.still_mptcp,
        "hung": streamed.hung,
        "problems": list(streamed.problems),
        "connect_ns": streamed.connect_ns,
        "duration_ns": streamed.duration_ns,
        "proven": record.proof.proven,
        "counters": mptcp_counters(record),
        "losses": list(played.troubles()),
        "troubles": [*played.troubles(), *diagnosis.problems],
        "directory": None if keep is None else str(keep),
    }
    if keep is not None:
        keep.mkdir(parents=True)
        for side, content in captures.items():
            (keep / f"{side}.pcapng").write_bytes(content)
        (keep / RECORD).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result
