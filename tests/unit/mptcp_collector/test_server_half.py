"""What a run's page says of the measurement server's own capture."""

from dataclasses import replace

import pytest

from mptcp_collector.meta.records import CaptureState, SeenFinding, ServerCapture, Verdict
from mptcp_collector.review import server_half

RUN = "01hzyrunofsomebody"


WANTED = ServerCapture(run_id=RUN, server_id="s", session_id="1", token="", collect_until_ns=0)


def verdict(rules: str, *behaviours: str, outcome: str = "clean") -> Verdict:
    return Verdict(
        run_id=RUN,
        rules_version=rules,
        judged_ns=0,
        outcome=outcome,
        report="{}",
        findings=tuple(
            SeenFinding(behaviour=name, state="seen", application="http", port=80)
            for name in behaviours
        ),
    )


def said(*verdicts: Verdict, both_brought: bool = True) -> str:
    joined = replace(WANTED, state=CaptureState.JOINED, size_bytes=3 << 20)
    return server_half.words(joined, verdicts, both_brought=both_brought)


HERE = "joined by the ticket, 3.0 MiB; its addresses were replaced"
SAME = "; judged with it, the verdict is the same"
OTHER = "; judged with it, the verdict is another one: “server 3” below"


@pytest.mark.parametrize(
    ("verdicts", "ending"),
    [
        ((), ""),
        ((verdict("3"), verdict("client 3")), ""),
        ((verdict("server 3"),), ""),
        ((verdict("3", "mp_join_removed"), verdict("server 3", "mp_join_removed")), SAME),
        ((verdict("3"), verdict("server 3", "mp_join_removed")), OTHER),
        ((verdict("3", "mp_join_removed"), verdict("server 3")), OTHER),
        ((verdict("3"), verdict("server 3", outcome="blocked")), OTHER),
        # what different pseudonyms hide is no contradiction
        ((verdict("3", "address_translated"), verdict("server 3")), SAME),
        # older rules are not compared with newer ones
        ((verdict("4", "syn_proxy"), verdict("server 3"), verdict("3")), SAME),
        ((verdict("server 3"), verdict("client 3", "syn_proxy")), OTHER),
    ],
)
def test_a_joined_capture_is_compared_with_the_one_that_was_uploaded(
    verdicts: tuple[Verdict, ...], ending: str
) -> None:
    assert said(*verdicts) == HERE + ending
    assert said(*verdicts, both_brought=False) == HERE


def test_what_is_not_here_has_a_reason() -> None:
    waiting = replace(WANTED, reason="the server's capture still runs")
    words = server_half.words(waiting, (), both_brought=True)
    assert words.startswith("not here yet: the server's capture still runs; it is tried until 19")
    gone = replace(WANTED, state=CaptureState.GONE, reason="its time is over")
    assert server_half.words(gone, (), both_brought=True) == "cannot be had: its time is over"
