"""echo, client first and server first, between two machines."""

from collections.abc import Iterator

import pytest

from lab.suite import Agents, Case, cases, family_of, require_proven

pytestmark = pytest.mark.lab
APPS = ("echo", "greeting-echo")
CASES, NAMES = cases(*APPS)


@pytest.fixture(scope="module")
def agents() -> Iterator[Agents]:
    with family_of(*APPS) as pair:
        yield pair


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_every_case_is_proven(agents: Agents, case: Case) -> None:
    require_proven(agents, case)
