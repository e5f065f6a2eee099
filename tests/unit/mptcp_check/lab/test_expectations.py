"""The table of what must be named."""

import pytest

from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.lab import expectations
from mptcp_check.lab.case import Circumstances
from mptcp_check.lab.expectations import expectation, parse
from mptcp_check.middleboxes import registry


def test_a_behaviour_without_an_entry_is_called_by_its_name() -> None:
    found = expectation("payload_altered:skip_count=2")

    assert found.names == {"payload_altered"}
    assert found.reason_against(Circumstances()) is None


@pytest.mark.parametrize("impairment", sorted(registry.IMPAIRMENTS))
def test_an_impairment_accuses_nobody(impairment: str) -> None:
    assert expectation(impairment).names == frozenset()


def test_an_entry_says_when_it_can_show() -> None:
    table = parse('[a]\nalso = ["b"]\npaths = [2]\nchecksum = [true]\nbecause = "so"')

    assert table["a"].names == {"a"}
    assert table["a"].also == {"b"}
    assert table["a"].reason_against(Circumstances(paths=2, checksum=True)) is None
    assert table["a"].reason_against(Circumstances(paths=1, checksum=True)) == "so"
    assert table["a"].reason_against(Circumstances(paths=2, checksum=False)) == "so"


@pytest.mark.parametrize(
    "text",
    ['[a]\nname = ["b"]', "[a]\npaths = [2]", '[a]\nbecause = "so"', "[a\n"],
    ids=["unknown key", "no reason", "reason for nothing", "no TOML"],
)
def test_a_table_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_the_table_speaks_of_what_the_catalogue_has() -> None:
    table = expectations._table()
    mentioned = {name for e in table.values() for name in (*e.names, *e.also)} | set(table)

    assert mentioned - registry.IMPAIRMENTS <= set(BEHAVIOURS)
