"""What the sandbox says of a bundle, read as input from outside is; PURE."""

import json
from collections.abc import Iterator
from typing import Any, Final

from mptcp_collector.jobs.sandbox import SandboxError
from mptcp_collector.meta.records import Description, SeenFinding, Verdict

REPORT_CHARACTERS_MAX: Final = 8 << 20
"""A run of sixty exchanges has some 150 000."""
FINDINGS_MAX: Final = 2000
MARKS_MAX: Final = 200
_RULES_CHARACTERS: Final = 64
_TEXT_LIMIT: Final = 200
_PORT_MAX: Final = 65_535
_KINDS: Final = ("application", "port", "network")
_LONGEST_LISTS: Final = {
    "exchanges": 2000,
    "connections": 5000,
    "subflows": 500,
    "findings": 100_000,
    "packets": 5000,
    "options": 64,
    "evidence": 200,
}
"""Members of a list in a report, by the list's name: what a page is made of has an end."""


def read(said: bytes, run_id: str, *, now_ns: int) -> tuple[Description, list[Verdict]]:
    """Return what was told of a run, and its verdicts, the newest one last.

    Raises:
        SandboxError: It is a refusal, or not what it must be.
    """
    try:
        document = json.loads(said)
        if "refused" in document:
            raise SandboxError(_text(document["refused"]), _text(document["because"]))
        # one nanosecond apart: the later one is the newer one
        found = [
            _verdict(one, run_id, now_ns + place) for place, one in enumerate(document["verdicts"])
        ]
        told = Description(
            purposes=tuple(sorted({_word(one) for one in document["purposes"]})),
            captures=tuple(_word(one) for one in document["captures"]),
            marks={kind: tuple(_marks(document["marks"][kind])) for kind in _KINDS},
        )
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        raise SandboxError("analysis_failed", f"its answer is none: {type(e).__name__}") from None
    if not found:
        raise SandboxError("analysis_failed", "it came to no verdict")
    return told, found


def _verdict(one: Any, run_id: str, now_ns: int) -> Verdict:  # noqa: ANN401 - any JSON
    report = json.dumps(one["report"])
    rows = one["findings"]
    if len(report) > REPORT_CHARACTERS_MAX or len(rows) > FINDINGS_MAX:
        raise ValueError("too long")
    _see_lists(one["report"])
    return Verdict(
        run_id=run_id,
        rules_version=_text(one["rules_version"])[:_RULES_CHARACTERS],
        judged_ns=now_ns,
        outcome=_text(one["outcome"]),
        report=report,
        findings=tuple(
            SeenFinding(
                behaviour=_text(row["behaviour"]),
                state=_text(row["state"]),
                application=_text(row["application"]),
                port=_port(row["port"]),
            )
            for row in rows
        ),
    )


def _see_lists(report: object) -> None:
    waiting: list[tuple[str, object]] = [("", report)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            if len(value) > _LONGEST_LISTS.get(name, len(value)):
                raise ValueError(f"{name} has too many members")
            waiting += [(name, one) for one in value if isinstance(one, dict | list)]


def _marks(values: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if not isinstance(values, list) or len(values) > MARKS_MAX:
        raise TypeError("no short list")
    yield from sorted({_text(value) for value in values})


def _word(value: object) -> str:
    word = _text(value)
    if not word or " " in word:
        raise TypeError("no word")
    return word


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError("no text of one line")
    return value[:_TEXT_LIMIT]


def _port(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _PORT_MAX:
        raise TypeError("no port")
    return value
