import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.plots.scales import Quantity, axis, logarithmic_axis, round_up, worded

MS = 1_000_000
POSITIVE = st.floats(1e-3, 1e15)


def labels(quantity: Quantity, low: float, high: float, wanted: int = 6) -> list[str]:
    return [label for _, label in axis(quantity, low, high, wanted=wanted).ticks]


def test_ticks_are_round_in_the_unit_of_the_axis() -> None:
    assert labels(Quantity.BYTES, 0, 8_300_000) == ["0", "2", "4", "6", "8"]
    assert axis(Quantity.BYTES, 0, 8_300_000, wanted=6).unit == "MB"
    assert labels(Quantity.TIME, 0, 2.7e9, 5) == ["0", "1", "2"]
    assert labels(Quantity.TIME, 0, 900 * MS, 5) == ["0", "200", "400", "600", "800"]
    assert labels(Quantity.RATE, -3, 3, 3) == ["-2", "0", "2"]


@given(st.sampled_from(Quantity), POSITIVE, st.integers(2, 12))
def test_every_tick_is_on_its_axis_and_no_two_read_the_same(
    quantity: Quantity, high: float, wanted: int
) -> None:
    ticks = axis(quantity, 0, high, wanted=wanted).ticks

    assert 1 <= len(ticks) <= wanted + 1
    assert all(0 <= value <= high * 1.001 for value, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


@given(st.sampled_from(Quantity), POSITIVE, st.floats(20, 1e9), st.integers(3, 12))
def test_a_logarithmic_axis_has_ticks_too(
    quantity: Quantity, low: float, times: float, wanted: int
) -> None:
    ticks = logarithmic_axis(quantity, low, low * times, wanted=wanted).ticks

    assert 1 <= len(ticks) <= 2 * wanted
    assert all(low * 0.999 <= value <= low * times * 1.001 for value, _ in ticks)


def test_a_short_logarithmic_axis_has_ticks_between_its_powers() -> None:
    ticks = logarithmic_axis(Quantity.TIME, 15 * MS, 1_500 * MS, wanted=6).ticks

    assert [label for _, label in ticks] == ["20 ms", "50 ms", "100 ms", "200 ms", "500 ms", "1 s"]


@given(POSITIVE)
def test_rounding_up_never_goes_down_nor_far(number: float) -> None:
    assert number * (1 - 1e-8) <= round_up(number) <= 2.5 * number * (1 + 1e-8)


@pytest.mark.parametrize(
    ("quantity", "value", "words"),
    [
        (Quantity.BYTES, 0, "0 B"),
        (Quantity.BYTES, 999.7, "1000 B"),
        (Quantity.BYTES, 25_111_000, "25.1 MB"),
        (Quantity.TIME, 100 * MS, "100 ms"),
        (Quantity.RATE, 2e12, "2000 Gbit/s"),
    ],
)
def test_values_have_their_unit(quantity: Quantity, value: float, words: str) -> None:
    assert worded(quantity, value) == words
