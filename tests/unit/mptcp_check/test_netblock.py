from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.netblock import UNKNOWN, netblock, plain_address


@given(st.text(max_size=60))
def test_no_address_raises_and_what_is_none_has_a_name(text: str) -> None:
    assert netblock(text)
    assert isinstance(plain_address(text), str)


def test_netblocks_are_those_of_providers_customers() -> None:
    assert netblock("192.0.2.200") == "192.0.2.0/24"
    assert netblock("::ffff:192.0.2.200") == "192.0.2.0/24"
    assert netblock("2001:db8:1:23ff::1%eth0") == "2001:db8:1:2300::/56"
    assert netblock("") == UNKNOWN


def test_addresses_of_one_customer_share_a_netblock() -> None:
    assert netblock("::ffff:192.0.2.9") == netblock("192.0.2.200")
    assert netblock("2001:db8::1%eth0") == netblock("2001:db8:0:ff::1") == "2001:db8::/56"


def test_who_serves_larger_customers_counts_them_so() -> None:
    assert netblock("192.0.2.200", ipv4_bits=16) == "192.0.0.0/16"
    assert netblock("2001:db8:1:23ff::1", ipv6_bits=48) == "2001:db8:1::/48"


def test_an_address_is_written_as_its_user_would_write_it() -> None:
    assert plain_address("::ffff:192.0.2.9") == "192.0.2.9"
    assert plain_address("fe80::1%eth0") == "fe80::1"
