import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.checking import MisfitError, checked
from mptcp_guest.messages import (
    CaptureStartArguments,
    ClockArguments,
    ReceivedResult,
    Request,
    SettleArguments,
)
from mptcp_guest.verbs import VERBS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "interfaces", "within_s", "x"]), inner)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_type_describes_fits_it(verb: str) -> None:
    @given(st.from_type(VERBS[verb].arguments), st.from_type(VERBS[verb].result))
    def fits(arguments: object, result: object) -> None:
        assert checked(arguments, VERBS[verb].arguments, verb) is arguments
        assert checked(result, VERBS[verb].result, verb) is result

    fits()


@given(JSON, st.sampled_from(sorted(VERBS)))
def test_whatever_comes_fits_or_is_a_misfit(value: object, verb: str) -> None:
    with contextlib.suppress(MisfitError):
        assert checked(value, VERBS[verb].arguments, verb) is value


@pytest.mark.parametrize(
    ("value", "wanted", "words"),
    [
        (3, ClockArguments, "it: 3 is not an object"),
        ({"set_wall_ns": True}, ClockArguments, "it.set_wall_ns: True is not a whole number"),
        ({"within_s": False}, SettleArguments, "it.within_s: False is not a number"),
        ({"within_s": 1, "x": 2}, SettleArguments, "it: does not know x"),
        ({}, SettleArguments, "it: within_s is missing"),
        (
            {"interfaces": ["a", 1], "filter": ""},
            CaptureStartArguments,
            "it.interfaces[1]: 1 is not a text",
        ),
        ({"received": 1}, ReceivedResult, "it.received: 1 is not an object"),
        ({"id": 1, "verb": "x", "arguments": []}, Request, "it.arguments: [] is not an object"),
    ],
)
def test_a_misfit_names_the_place_the_value_and_what_was_wanted(
    value: object, wanted: object, words: str
) -> None:
    with pytest.raises(MisfitError) as misfit:
        checked(value, wanted, "it")
    assert str(misfit.value) == words


def test_a_whole_number_is_a_number_and_null_is_an_alternative() -> None:
    assert checked({"within_s": 3}, SettleArguments, "it") == {"within_s": 3}
    assert checked({"received": None}, ReceivedResult, "it") == {"received": None}
