import subprocess
from ipaddress import ip_address, ip_interface, ip_network

from mptcp_check.machines import addresses
from mptcp_check.model import Family, Transport


def test_each_link_is_a_network_of_its_own() -> None:
    for host in (addresses.PROBE, addresses.SERVER):
        networks = [
            {str(ip_interface(text).network) for text in interface["addresses"]}  # type: ignore[attr-defined]
            for interface in addresses.interfaces(host)
        ]
        assert len(networks) == addresses.LINKS
        assert not set.intersection(*networks)


def test_the_control_has_the_servers_link_and_another_address() -> None:
    for family in Family:
        mptcp, tcp = (addresses.service_address(t, family) for t in Transport)
        assert mptcp != tcp
        prefix = addresses.with_prefix(mptcp)
        assert ip_address(tcp) in ip_network(prefix, strict=False)


def test_all_addresses_are_private() -> None:
    assert all(ip_address(text).is_private for text in addresses.server_addresses())


def test_tcpdump_takes_the_filter_and_it_names_every_address_of_the_server() -> None:
    expression = addresses.capture_filter()
    compiled = subprocess.run(
        ["tcpdump", "-y", "EN10MB", "-d", expression], capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stderr
    for text in addresses.server_addresses():
        assert f"host {text}" in expression
