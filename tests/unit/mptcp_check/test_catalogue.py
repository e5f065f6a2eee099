"""The catalogue, its document and the words for people agree."""

import re
from pathlib import Path

import pytest

from mptcp_check.analysis.diagnose import DETECTORS
from mptcp_check.analysis.reporting import words
from mptcp_check.catalogue import BEHAVIOURS, Group
from mptcp_check.model import Direction, Outcome, State

DOCUMENT = Path(__file__).parents[3] / "docs" / "behaviours.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_the_document_has_the_rows_of_the_catalogue() -> None:
    written = {row[0]: row[1:] for row in ROW.findall(DOCUMENT.read_text())}

    assert written == {b.id: (b.meaning, b.consequence, b.source) for b in BEHAVIOURS.values()}


def test_every_behaviour_has_a_detector() -> None:
    assert list(DETECTORS) == list(BEHAVIOURS)


@pytest.mark.parametrize("group", list(Group))
def test_every_group_has_behaviours(group: Group) -> None:
    assert any(b.group is group for b in BEHAVIOURS.values())


def test_every_behaviour_of_the_catalogue_has_words() -> None:
    assert list(words.BEHAVIOURS) == list(BEHAVIOURS)


def test_every_value_that_is_shown_has_words() -> None:
    assert set(words.OUTCOMES) == set(words.VERBS) == set(Outcome)
    assert set(words.STATES) == set(State)
    assert set(words.DIRECTIONS) == set(Direction)


@pytest.mark.parametrize("behaviour", sorted(words.BEHAVIOURS))
def test_words_take_the_machines_and_nothing_else(behaviour: str) -> None:
    known = words.BEHAVIOURS[behaviour]
    names = {"sender": "A", "receiver": "B"}

    said = [text.format(**names) for text in (known.happened, known.means, known.advice)]

    assert all(text.endswith(".") for text in said)
    assert not any("{" in text for text in said)
