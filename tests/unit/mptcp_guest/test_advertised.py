"""What the kernel made of a router's advertisements, read from its own tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import advertised
from mptcp_guest.advertised import Advertised, parse

ULA = "fd88000000000000025056fffe000001 05 40 00 00    path0\n"
GLOBAL = "20010db8000000000000000000000007 05 40 00 80    path0\n"
LINK_LOCAL = "fe80000000000000025056fffe000001 05 40 20 80    path0\n"
OTHERS = "fd880001000000000000000000000009 06 40 00 80    path1\n"
ROUTES = """\
fd880000000000000000000000000000 40 {z} 00 {z} 00000100 00000001 00000000 00000001    path0
{z} 00 {z} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003    path0
{z} 00 {z} 00 fe800000000000000000000000000002 00000400 00000001 00000000 00450003    path1
{z} 00 {z} 00 {z} ffffffff 00000001 00000000 00200200       lo
""".format(z="0" * 32)


def test_address_and_router_of_an_interface_are_found() -> None:
    assert parse(LINK_LOCAL + OTHERS + ULA, ROUTES, "path0") == Advertised(
        address="fd88::250:56ff:fe00:1/64", gateway="fe80::1"
    )
    assert parse(OTHERS, ROUTES, "path1") == Advertised(address="fd88:1::9/64", gateway="fe80::2")


def test_one_address_is_taken_and_rather_one_of_the_internet() -> None:
    found = parse(ULA + GLOBAL, ROUTES, "path0")
    assert found is not None
    assert found.address == "2001:db8::7/64"


@pytest.mark.parametrize("flags", ["01", "08", "20", "40", "c0"])
def test_what_is_temporary_doubted_or_going_away_is_not_taken(flags: str) -> None:
    text = ULA.replace(" 00    path0", f" {flags}    path0")
    assert parse(text, ROUTES, "path0") is None


@pytest.mark.parametrize(
    ("addresses", "routes"), [(ULA, ""), ("", ROUTES), (LINK_LOCAL, ROUTES), (OTHERS, ROUTES)]
)
def test_an_address_without_a_router_leads_nowhere_and_the_other_way_round(
    addresses: str, routes: str
) -> None:
    assert parse(addresses, routes, "path0") is None


WORDS = st.text(alphabet="0123456789abcdefg -\n", max_size=80)


@given(WORDS | WORDS.map((ULA + "x").__add__), WORDS | WORDS.map((ROUTES + "0").__add__))
def test_whatever_the_tables_say_is_read_or_left(addresses: str, routes: str) -> None:
    found = parse(addresses, routes, "path0")
    assert found is None or "/" in found.address


def test_an_interface_listens_and_then_no_more() -> None:
    listening = advertised.listening("eth0")
    assert listening["net.ipv6.conf.eth0.accept_ra"] == "1"
    assert listening["net.ipv6.conf.eth0.use_tempaddr"] == "0"
    assert advertised.deaf("eth0") == {"net.ipv6.conf.eth0.accept_ra": "0"}
    assert list(advertised.forgetting(["eth0"])) == [
        ["address", "flush", "dev", "eth0", "scope", "global"],
        ["route", "flush", "dev", "eth0", "proto", "ra"],
    ]
