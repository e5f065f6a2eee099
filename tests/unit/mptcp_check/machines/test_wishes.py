"""What the user says about machines, interfaces and servers."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import UsageError
from mptcp_check.machines.wishes import (
    InterfaceWish,
    MachineKind,
    MachineWish,
    ServerWish,
    SessionWish,
    SshHost,
    interface_wish,
    machine_wish,
    measurement_server,
    server_wish,
    session_wish,
)
from mptcp_check.session_client.server_list import KnownServer

HOSTS = {
    "box": SshHost(host="box"),
    "pi@192.0.2.7": SshHost(host="192.0.2.7", user="pi"),
    "box.example.org:2222": SshHost(host="box.example.org", port=2222),
    "root@[2001:db8::1]:22": SshHost(host="2001:db8::1", user="root", port=22),
}


@pytest.mark.parametrize("text", HOSTS)
def test_a_host_is_written_as_ssh_writes_it(text: str) -> None:
    assert machine_wish(f"ssh:{text}") == MachineWish(kind=MachineKind.SSH, ssh=HOSTS[text])
    assert str(HOSTS[text]) == text


@pytest.mark.parametrize(
    "text", ["vmware", "ssh", "ssh:", "host:box", "", "ssh:-oProxyCommand=x", "ssh:a b", "ssh:b:0",
     "vagrant:", "vagrant:vmware", "qemu:", "auto:x"]
)  # fmt: skip
def test_what_is_no_machine_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        machine_wish(text)


def test_vagrant_takes_the_provider_that_is_named() -> None:
    assert machine_wish("vagrant") == MachineWish(kind=MachineKind.VAGRANT)
    assert machine_wish("vagrant:libvirt") == MachineWish(
        kind=MachineKind.VAGRANT, provider="libvirt"
    )


def test_an_interface_has_addresses_of_its_own_or_asks_the_network() -> None:
    assert interface_wish("eth0") == InterfaceWish(name="eth0")
    assert interface_wish("eth0.7,address=10.0.0.5/24,gateway=10.0.0.1") == InterfaceWish(
        name="eth0.7", addresses=("10.0.0.5/24",), gateways=("10.0.0.1",)
    )
    assert interface_wish("wlan0,routed").routed


@pytest.mark.parametrize(
    "text",
    ["", "-v", "eth0,address=10.0.0.5", "eth0,address=x/24", "eth0,mtu=9000", "e,gateway=10",
     "eth0,routed,address=10.0.0.5/24", "a/b"],
)  # fmt: skip
def test_what_is_no_interface_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        interface_wish(text)


def test_a_server_has_an_address_per_family_and_a_port_per_application() -> None:
    text = "ssh:box:22,address=192.0.2.1,address=2001:db8::1,http=8080,ftp=2121"
    assert server_wish(text) == ServerWish(
        ssh=SshHost(host="box", port=22),
        addresses=("192.0.2.1", "2001:db8::1"),
        ports={"http": 8080, "ftp": 2121},
    )


@pytest.mark.parametrize(
    "text",
    ["https://example.org", "box", "ssh:", "ssh:box,http=0", "ssh:box,gopher=70", "ssh:box,http=x",
     "ssh:box,address=1", "ssh:box,address=192.0.2.1,address=192.0.2.2", "ssh:box,http=80,ftp=80"],
)  # fmt: skip
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        server_wish(text)


def test_a_public_server_is_named_by_its_url_and_maybe_a_fingerprint() -> None:
    pin = "AB:" * 31 + "CD"
    wish = session_wish(f"https://box.example:7,fingerprint={pin}", no_list)
    [server] = wish.servers
    assert (server.host, server.port, server.fingerprint) == ("box.example", 7, "ab" * 31 + "cd")
    assert str(wish) == "https://box.example:7"
    assert isinstance(measurement_server("https://box", no_list), SessionWish)
    assert isinstance(measurement_server("ssh:box", no_list), ServerWish)


def test_a_file_is_a_list_of_public_servers() -> None:
    known = (KnownServer(host="a", port=1),)
    assert isinstance(measurement_server("servers.toml", lambda _: known), SessionWish)
    assert session_wish("servers.toml", lambda path: known if path.name == "servers.toml" else ())
    assert session_wish("servers.json", lambda _: known).servers == known


@pytest.mark.parametrize(
    "text",
    ["https://", "https://box/path", "https://box,pin=1", "https://box,fingerprint=12",
     "https://box,fingerprint=1,fingerprint=2", "https://box:0"],
)  # fmt: skip
def test_what_names_no_public_server_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        session_wish(text, no_list)


def only_a(_: Path) -> tuple[KnownServer, ...]:
    return (KnownServer(host="a", port=1),)


def no_list(_: Path) -> tuple[KnownServer, ...]:
    pytest.fail("there is no list")


@given(
    st.one_of(
        st.text(),
        st.text().map("ssh:".__add__),
        st.text().map("eth0,".__add__),
        st.text().map("https://".__add__),
    )
)
def test_any_text_is_understood_or_refused(text: str) -> None:
    readers = (machine_wish, interface_wish, server_wish, lambda one: session_wish(one, only_a))
    for read in readers:
        with contextlib.suppress(UsageError):
            found = read(text)
            assert "\n" not in str(getattr(found, "name", "")), found
