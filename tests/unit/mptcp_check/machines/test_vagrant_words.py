import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.machines import vagrant_words


def public_key() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode().split()[1]


def test_an_error_is_told_in_vagrants_own_words_on_one_line() -> None:
    said = (
        "1795245885,,ui,info,Bringing machine up\n"
        "1795245886,m,error-exit,VagrantPlugins::ProviderLibvirt::Errors::DomainNameExists,"
        "Name `m` of domain about to create%!(VAGRANT_COMMA) is already taken.\\nPlease try\n"
    )
    why = vagrant_words.failure(said, "")
    assert why.name == "DomainNameExists"
    assert why.words == "Name `m` of domain about to create, is already taken. Please try"
    assert not why.not_usable


@pytest.mark.parametrize("name", ["ProviderNotUsable", "VBoxManageNotFoundError"])
def test_a_missing_hypervisor_is_told_apart(name: str) -> None:
    said = f"1795245886,,error-exit,Vagrant::Errors::{name},no hypervisor\n"
    assert vagrant_words.failure(said, "").not_usable


def test_without_a_named_error_the_last_words_are_told() -> None:
    assert vagrant_words.failure("", "first\n\nlast\n").words == "first last"
    said = "1795245885,,ui,error,It broke\n"
    assert vagrant_words.failure(said, "").words == "It broke"
    assert vagrant_words.failure("segmentation fault\n", "").words == "segmentation fault"


@given(st.text(), st.text())
def test_garbage_gives_a_line_that_can_be_printed(stdout: str, stderr: str) -> None:
    why = vagrant_words.failure(stdout, stderr)
    assert why.words.isprintable()
    assert len(why.words) <= 401
    vagrant_words.state(stdout)


@given(st.dictionaries(st.sampled_from(["HostName", "Port", "User"]), st.text()))
def test_an_address_is_a_number_and_a_port_or_none(settings: dict[str, str]) -> None:
    found = vagrant_words.address(settings)
    assert found is None or 0 < found[1] < 65536


def test_the_address_is_read() -> None:
    assert vagrant_words.address({"HostName": "192.168.143.5", "Port": "22"}) == (
        "192.168.143.5",
        22,
    )
    assert vagrant_words.address({"HostName": "-oProxyCommand=x", "Port": "22"}) is None
    assert vagrant_words.address({"HostName": "127.0.0.1", "Port": "70000"}) is None


def test_the_state_is_read_from_among_other_lines() -> None:
    said = "x\n1795,m,provider-name,libvirt\n1795,m,state,running\n1795,m,state-human-short,run\n"
    assert vagrant_words.state(said) == "running"
    assert vagrant_words.state("running") is None


UP = "mptcp-check: ssh on 10.0.2.15\r\n"


def test_the_host_key_of_the_last_boot_counts_once_ssh_is_up() -> None:
    first, last = public_key(), public_key()
    earlier = f"[    0.0] Linux\r\nmptcp-check: host key ssh-ed25519 {first}\r\n{UP}"
    console = f"{earlier}mptcp-check: host key ssh-ed25519 {last}\r\n"
    assert vagrant_words.host_key(console) is None
    found = vagrant_words.host_key(console + UP)
    assert isinstance(found, paramiko.Ed25519Key)
    assert found.get_base64() == last
    before = vagrant_words.host_key(earlier)
    assert before is not None
    assert before.get_base64() == first
    assert vagrant_words.host_key("mptcp-check: ready\r\n" + UP) is None


@given(st.text(alphabet="ABCDabcd0189+/", min_size=68, max_size=68))
def test_a_key_that_is_none_gives_none(text: str) -> None:
    assert vagrant_words.host_key(f"mptcp-check: host key ssh-ed25519 {text}\n{UP}") is None
