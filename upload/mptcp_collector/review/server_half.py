"""What a run's page says of the measurement server's own capture: is it here, does it agree."""

from collections.abc import Sequence

from mptcp_check.analysis.reporting import report_text
from mptcp_collector.jobs.whose_verdict import CLIENT, KEYED, SERVER
from mptcp_collector.meta.records import CaptureState, ServerCapture, Verdict
from mptcp_collector.review import page


def words(capture: ServerCapture, verdicts: Sequence[Verdict], *, both_brought: bool) -> str:
    """Return the sentence; pure.

    Args:
        capture: How it stands.
        verdicts: All of the run, the newest first.
        both_brought: The bundle has captures of both ends: their verdict can be compared.
    """
    if capture.state is CaptureState.JOINED:
        size = report_text.byte_count(capture.size_bytes)
        agreement = _agreement(verdicts) if both_brought else ""
        return f"joined by the ticket, {size}; its addresses were replaced{agreement}"
    if capture.state is CaptureState.GONE:
        return f"cannot be had: {capture.reason or 'it was removed'}"
    until = page.moment(capture.collect_until_ns)
    why = f": {capture.reason}" if capture.reason else ""
    return f"not here yet{why}; it is tried until {until}"


def _agreement(verdicts: Sequence[Verdict]) -> str:
    """Compare what was seen with the server's own capture and with the one that was uploaded."""
    with_it = next((v for v in verdicts if v.rules_version.startswith(SERVER)), None)
    if with_it is None:
        return ""
    rules = with_it.rules_version.removeprefix(SERVER)
    brought = next((v for v in verdicts if v.rules_version == rules), None) or next(
        (v for v in verdicts if v.rules_version == CLIENT + rules), None
    )
    if brought is None:
        return ""
    if _said(with_it) == _said(brought):
        return "; judged with it, the verdict is the same"
    return f"; judged with it, the verdict is another one: “{with_it.rules_version}” below"


def _said(verdict: Verdict) -> tuple[str, frozenset[tuple[str, int]]]:
    found = {(f.behaviour, f.port) for f in verdict.findings if f.behaviour not in KEYED}
    return verdict.outcome, frozenset(found)
