"""What a DHCP client's script wrote, and which client is asked."""

from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.dhcp import SCRIPT, Lease, command, parse_lease

UDHCPC = "PATH=/bin\nip=10.0.0.50\nsubnet=255.255.255.0\nrouter=10.0.0.1 10.0.0.2\nlease=3600\n"
DHCLIENT = (
    "reason=BOUND\nnew_ip_address=10.0.0.50\nnew_subnet_mask=255.255.255.0\nnew_routers=10.0.0.1\n"
)


@pytest.mark.parametrize("text", [UDHCPC, DHCLIENT])
def test_both_clients_tell_the_same(text: str) -> None:
    assert parse_lease(text) == Lease(address="10.0.0.50/24", gateway="10.0.0.1")


def test_a_network_may_have_no_router() -> None:
    assert parse_lease("ip=10.0.0.50\nsubnet=255.255.255.252\n") == Lease(
        address="10.0.0.50/30", gateway=""
    )


@pytest.mark.parametrize(
    "text", ["", "ip=\n", "ip=10.0.0.999\nsubnet=255.255.255.0", "ip=10.0.0.5\nrouter=x y"]
)
def test_what_is_no_lease_is_none(text: str) -> None:
    assert parse_lease(text) is None


@given(st.text() | st.text().map("ip=".__add__) | st.text().map((UDHCPC + "ip=").__add__))
def test_whatever_a_network_says_becomes_an_address_or_nothing(text: str) -> None:
    lease = parse_lease(text)
    assert lease is None or IPv4Interface(lease.address).with_prefixlen == lease.address


def test_the_smallest_client_comes_first(tmp_path: Path) -> None:
    script = tmp_path / "script"
    assert command("path0", tmp_path, script, str(tmp_path)) is None
    for program, first in (("dhclient", "dhclient"), ("busybox", "busybox"), ("udhcpc", "udhcpc")):
        (tmp_path / program).write_text("")
        (tmp_path / program).chmod(0o755)
        found = command("path0", tmp_path, script, str(tmp_path))
        assert found is not None
        assert found[0] == first
        assert "path0" in found
        assert str(script) in found


def test_the_script_changes_nothing_but_its_own_file() -> None:
    text = SCRIPT.format(lease="/run/x.lease")
    assert "mv '/run/x.lease.new' '/run/x.lease'" in text
    assert "ip addr" not in text
    assert "resolv" not in text
