import enum
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import UsageError
from mptcp_check.middleboxes.parameters import Field, describe, parse
from mptcp_check.middleboxes.scope import Scope, Subflows
from mptcp_check.model import Direction


class Colour(enum.Enum):
    RED = 1
    DARK_BLUE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Every kind of field."""

    whole: int = 3
    """A number
    on two lines."""
    flag: bool = True
    colour: Colour = Colour.RED
    colours: frozenset[Colour] = frozenset(Colour)
    sizes: tuple[int, ...] = (2, 1)
    limit: int | None = None
    delay_ns: int = 1_500_000
    """How long."""
    rate_bps: int = 40_000_000
    octets: bytes = b"\x01\xff"
    probability: float = 0.25
    scope: Scope = field(default_factory=lambda: Scope(first_segment=20))

    def __post_init__(self) -> None:
        if self.whole == 13:
            raise ValueError("thirteen is no whole number here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    address: bytes
    size: int = 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Example()),
        ("whole=-4", Example(whole=-4)),
        ("whole=0x1F", Example(whole=31)),
        ("flag=no", Example(flag=False)),
        ("colour=dark_blue", Example(colour=Colour.DARK_BLUE)),
        ("colours=dark_blue", Example(colours=frozenset({Colour.DARK_BLUE}))),
        ("colours=none", Example(colours=frozenset())),
        ("sizes=1+2+3", Example(sizes=(1, 2, 3))),
        ("limit=5", Example(limit=5)),
        ("limit=none", Example()),
        ("delay_ns=5ms", Example(delay_ns=5_000_000)),
        ("delay_ns=0.5s", Example(delay_ns=500_000_000)),
        ("delay_ns=200us", Example(delay_ns=200_000)),
        ("delay_ns=7", Example(delay_ns=7)),
        ("rate_bps=1.5M", Example(rate_bps=1_500_000)),
        ("rate_bps=9600", Example(rate_bps=9600)),
        ("octets=0xC0ffee", Example(octets=b"\xc0\xff\xee")),
        ("probability=0.01", Example(probability=0.01)),
        (" flag = no , whole = 1 ", Example(flag=False, whole=1)),
        (
            "ports=443+80,direction=c2s,subflow=further",
            Example(
                scope=Scope(
                    ports=frozenset({80, 443}),
                    direction=Direction.C2S,
                    subflow=Subflows.FURTHER,
                    first_segment=20,
                )
            ),
        ),
        ("first_segment=7", Example(scope=Scope(first_segment=7))),
    ],
)
def test_a_text_says_what_differs_from_the_defaults(text: str, expected: Example) -> None:
    assert parse(text, Example) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("wole=1", "'wole'", "did you mean 'whole'? there are: whole, flag"),
        ("scope=1", "'scope'", "there are"),
        ("whole", "'whole' needs a value", "whole=1"),
        ("whole=", "whole= cannot be used", "whole number"),
        ("whole=1.5", "whole=1.5 cannot", "whole number"),
        ("whole=1,whole=2", "'whole' is given twice", "once"),
        ("flag=true", "flag=true cannot", "yes or no"),
        ("colour=green", "colour=green cannot", "red or dark_blue"),
        ("colours=red+green", "colours=red+green", "joined by +"),
        ("colours=", "colours=", "none"),
        ("delay_ns=5min", "delay_ns=5min", "ns, us, ms or s"),
        ("delay_ns=0.5ns", "delay_ns=0.5ns", "ns, us, ms or s"),
        ("rate_bps=5m", "rate_bps=5m", "k, M or G"),
        ("octets=c0", "octets=c0", "two hex digits"),
        ("probability=nan", "probability=nan", "decimal"),
        (",", "no parameter is called ''", "there are"),
        ("whole=13", "thirteen is no whole number", "'whole=13'"),
        ("ports=80+0", "ports are 1 to 65535, not 0", "'ports=80+0'"),
        ("first_segment=0", "counts from 1, not 0", "first_segment=0"),
        ("whole=" + "9" * 5000, "cannot be used", "whole number"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_is_allowed(
    text: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text, Example)

    assert message in raised.value.message
    assert hint in raised.value.hint


def test_defaults_may_come_from_the_caller() -> None:
    here = Placed(address=b"\x0a")

    assert parse("size=2", Placed, defaults=here) == Placed(address=b"\x0a", size=2)
    assert parse("address=0x0b", Placed, defaults=here) == Placed(address=b"\x0b")


def test_a_description_tells_keys_words_defaults_and_meaning() -> None:
    described = {each.name: each for each in describe(Example)}

    assert list(described)[-4:] == ["direction", "ports", "subflow", "first_segment"]
    assert described["whole"].doc == "A number on two lines."
    assert described["flag"].doc == ""
    assert described["delay_ns"].default == "1500us"
    assert described["first_segment"].default == "20"
    assert described["first_segment"].doc.startswith("From which segment")
    assert described["colour"] == Field(
        name="colour", type="red or dark_blue", default="red", doc=""
    )


def test_a_default_that_the_place_decides_is_not_told() -> None:
    assert [each.default for each in describe(Placed)] == [None, "1"]


def test_the_described_defaults_are_the_defaults() -> None:
    text = ",".join(f"{each.name}={each.default}" for each in describe(Example))

    assert parse(text, Example) == Example()


def test_a_type_without_a_text_form_is_a_mistake_of_the_behaviour() -> None:
    @dataclass
    class Wrong:
        what: complex = 0j

    with pytest.raises(TypeError, match="what has no text form"):
        describe(Wrong)


@given(
    st.builds(
        Example,
        whole=st.integers(-(2**40), 2**40).filter(lambda n: n != 13),
        flag=st.booleans(),
        colour=st.sampled_from(Colour),
        colours=st.frozensets(st.sampled_from(Colour)),
        sizes=st.lists(st.integers(0, 99)).map(tuple),
        limit=st.none() | st.integers(),
        delay_ns=st.integers(0, 2**50),
        rate_bps=st.integers(0, 2**50),
        octets=st.binary(max_size=40),
        probability=st.floats(0, 1),
        scope=st.builds(
            Scope,
            direction=st.sampled_from(Direction),
            ports=st.frozensets(st.integers(1, 65535), max_size=4),
            subflow=st.sampled_from(Subflows),
            first_segment=st.integers(1, 2**32),
        ),
    )
)
def test_what_is_written_is_read_again(parameters: Example) -> None:
    text = ",".join(
        f"{each.name}={each.default}" for each in describe(Example, defaults=parameters)
    )

    assert parse(text, Example) == parameters


@given(st.text(max_size=60) | st.from_regex(r"[a-z_]+=[a-z0-9+.]*(,[a-z_]+=[a-z0-9x]*)*"))
def test_any_text_is_read_or_refused_in_one_way(text: str) -> None:
    read: Example | UsageError
    try:
        read = parse(text, Example)
    except UsageError as error:
        read = error

    assert isinstance(read, Example) or (read.message and read.hint)
