"""What the agent asks the kernel itself: in the right network, and with the tools' answers."""

import contextlib
import re
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_guest import offloads, sysctls
from mptcp_guest.inside import PROC_NET, inside

pytestmark = pytest.mark.lab


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"mcinside-{uuid.uuid4().hex[:8]}"
    run("ip", "netns", "add", name)
    with contextlib.ExitStack() as stack:
        stack.callback(run, "ip", "netns", "del", name)
        run("ip", "-n", name, "link", "add", "left", "type", "veth", "peer", "name", "right")
        yield name


def devices() -> set[str]:
    return set(re.findall(r"(\w+):", (PROC_NET / "dev").read_text()))


def test_work_sees_the_namespace_and_nothing_else_does(namespace: str) -> None:
    before = Path("/proc/thread-self/ns/net").stat().st_ino

    assert inside(namespace, devices) == {"lo", "left", "right"}
    # what else there is here may come and go
    assert not devices() & {"left", "right"}
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before
    assert inside(None, threading.get_ident) == threading.get_ident()


def test_what_the_work_raises_comes_back(namespace: str) -> None:
    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        inside(namespace, fails)
    with pytest.raises(FileNotFoundError, match="no-such-namespace"):
        inside("no-such-namespace", fails)


def test_settings_are_the_namespaces_as_sysctl_has_them(namespace: str) -> None:
    name, unknown = "net.mptcp.close_timeout", "net.mptcp.no_such_setting"
    here = Path("/proc/sys/net/mptcp/close_timeout").read_text()

    written = inside(namespace, lambda: sysctls.write({name: "7", unknown: "1"}))
    read = inside(namespace, lambda: sysctls.read([name, unknown]))

    assert written == read == {name: "7"}
    assert run("ip", "netns", "exec", namespace, "sysctl", "-n", name) == "7\n"
    assert Path("/proc/sys/net/mptcp/close_timeout").read_text() == here


def test_a_value_that_the_kernel_refuses_is_an_error(namespace: str) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        inside(namespace, lambda: sysctls.write({"net.mptcp.enabled": "many"}))


def shown(namespace: str, interface: str) -> list[str]:
    """Return what ethtool says is on, of what falsifies captures.

    Of TSO its parts: ethtool counts tx-tcp-accecn-segmentation too, which does nothing by itself.
    """
    text = run("ip", "netns", "exec", namespace, "ethtool", "-k", interface)
    parts = {"tcp-segmentation-offload": r"\ttx-tcp6?-(ecn-|mangleid-)?segmentation"}
    return [
        name
        for name in offloads.OFFLOADS
        if re.search(rf"^{parts.get(name, name)}: on", text, re.MULTILINE)
    ]


def test_offloads_are_those_that_ethtool_shows(namespace: str) -> None:
    before = inside(namespace, lambda: offloads.on("left"))
    assert before == shown(namespace, "left")
    assert "generic-segmentation-offload" in before

    assert inside(namespace, lambda: offloads.switch_off("left")) == []
    assert shown(namespace, "left") == []
    assert inside(namespace, lambda: offloads.on("right")) == shown(namespace, "right") != []


def test_offloads_that_are_fixed_stay_and_keep_no_other_on(namespace: str) -> None:
    run("ip", "-n", namespace, "link", "add", "card", "link", "right", "type", "macvlan")

    left = inside(namespace, lambda: offloads.switch_off("card"))

    assert left == shown(namespace, "card")
    assert "generic-receive-offload" not in left


def test_an_interface_that_is_not_there_is_an_error(namespace: str) -> None:
    with pytest.raises(OSError, match="No such device"):
        inside(namespace, lambda: offloads.switch_off("gone"))
