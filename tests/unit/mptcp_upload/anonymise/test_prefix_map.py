import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_upload.anonymise import special
from mptcp_upload.anonymise.prefix_map import PrefixMap

KEY = bytes(range(32))
MAP = PrefixMap(KEY)
IPV4 = st.binary(min_size=4, max_size=4)
IPV6 = st.binary(min_size=16, max_size=16)


def common_bits(a: bytes, b: bytes) -> int:
    return 8 * len(a) - (int.from_bytes(a) ^ int.from_bytes(b)).bit_length()


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


@given(IPV4, IPV4)
def test_common_prefixes_of_ipv4_are_kept_exactly(a: bytes, b: bytes) -> None:
    assert common_bits(MAP.map(a), MAP.map(b)) == common_bits(a, b)


@given(IPV4, st.integers(0, 31))
def test_neighbours_stay_neighbours(a: bytes, bit: int) -> None:
    b = (int.from_bytes(a) ^ 1 << bit).to_bytes(4)

    assert common_bits(MAP.map(a), MAP.map(b)) == common_bits(a, b)


@given(IPV6, IPV6, st.integers(0, 128))
def test_common_prefixes_of_ipv6_are_kept_exactly(a: bytes, b: bytes, shared: int) -> None:
    mask = (1 << 128) - 1 >> shared
    b = (int.from_bytes(a) & ~mask | int.from_bytes(b) & mask).to_bytes(16)
    if special.embedded_ipv4(a) is None and special.embedded_ipv4(b) is None:
        assert common_bits(MAP.map(a), MAP.map(b)) == common_bits(a, b)


@pytest.mark.parametrize(
    "network",
    [
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fd00::/8", "fe80::/64", "2000::/3"),
    ],
)
@given(data=st.data())
def test_an_address_stays_in_its_range(network: str, data: st.DataObject) -> None:
    net = ipaddress.ip_network(network)
    address = net[data.draw(st.integers(0, net.num_addresses - 1))]

    assert ipaddress.ip_address(MAP.map(address.packed)) in net


@given(IPV4)
def test_a_public_address_stays_public(a: bytes) -> None:
    before, after = ipaddress.IPv4Address(a), ipaddress.IPv4Address(MAP.map(a))
    assert before.is_multicast == after.is_multicast
    assert before.is_loopback == after.is_loopback
    assert before.is_link_local == after.is_link_local
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "0.0.0.0/8", "100.64.0.0/10"):
        assert (before in ipaddress.ip_network(text)) == (after in ipaddress.ip_network(text))


@pytest.mark.parametrize(
    "text",
    ["0.0.0.1", "127.0.0.1", "224.0.0.251", "255.255.255.255", "::", "::1", "::5", "ff02::1"],
)
def test_nobodys_addresses_stay(text: str) -> None:
    assert MAP.map(packed(text)) == packed(text)


def test_an_embedded_ipv4_address_is_mapped_as_itself() -> None:
    assert MAP.map(packed("::ffff:198.51.100.7"))[12:] == MAP.map(packed("198.51.100.7"))
    assert MAP.map(packed("64:ff9b::198.51.100.7"))[12:] == MAP.map(packed("198.51.100.7"))
    assert MAP.map(packed("::198.51.100.7"))[12:] == MAP.map(packed("198.51.100.7"))


def test_another_key_is_another_map() -> None:
    addresses = [packed(f"198.51.100.{i}") for i in range(1, 255)]
    other = PrefixMap(bytes(32))

    assert len({MAP.map(a) for a in addresses}) == len(addresses)
    assert [MAP.map(a) for a in addresses] != [other.map(a) for a in addresses]
    assert [MAP.map(a) for a in addresses] == [PrefixMap(KEY).map(a) for a in addresses]
