import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mptcp_check.errors import MachineError
from mptcp_check.machines import capture_port, powered
from mptcp_check.machines.guest import Guest, fetch
from mptcp_check.machines.powered import Powered, any_end_first, its_end_first
from mptcp_guest.messages import CaptureFile


class Computer:
    """A machine whose end is known after so many looks, if ever."""

    def __init__(self, name: str, *, looks: int | None) -> None:
        self.name = name
        self.looks = looks
        self.waited_s = 0.0

    def check_alive(self, patience_s: float = 0.0) -> None:
        self.waited_s += patience_s
        if self.looks is None:
            return
        if not self.looks:
            raise MachineError(f"the {self.name} machine ended")
        self.looks -= 1


def broken_wire() -> None:
    raise MachineError("server machine, link 0: the machine closed its network interface")


@pytest.mark.parametrize("looks", [0, 5])
@pytest.mark.parametrize("which", ["probe", "server"])
def test_of_several_machines_the_one_that_ended_is_told_and_soon(looks: int, which: str) -> None:
    both = [Computer(n, looks=looks if n == which else None) for n in ("probe", "server")]

    with pytest.raises(MachineError, match=f"the {which} machine ended"), any_end_first(both):
        broken_wire()

    assert sum(c.waited_s for c in both) < 1


def test_where_none_ends_the_failure_itself_is_told() -> None:
    both = [Computer(name, looks=None) for name in ("probe", "server")]

    with pytest.raises(MachineError, match="closed its network"), any_end_first(both):
        broken_wire()

    assert sum(c.waited_s for c in both) == pytest.approx(powered.PATIENCE_S)


@pytest.mark.parametrize(
    "told", [its_end_first, lambda machine: any_end_first([machine])], ids=["one", "any"]
)
def test_without_a_failure_nobody_asks(told: Callable[[Powered], Any]) -> None:
    machine = Computer("probe", looks=0)

    with told(machine):
        pass

    assert machine.waited_s == 0


def test_a_port_that_went_with_its_machine_is_told_as_the_machines_end(tmp_path: Path) -> None:
    agent: Any = type("Agent", (), {"machine": "server"})()
    management: Any = None
    machine = Computer("server", looks=0)
    about: Any = CaptureFile(interface="eth0", bytes=10)  # type: ignore[typeddict-item]

    with pytest.raises(MachineError, match="the server machine ended"):
        fetch(Guest(machine, management, agent, captures=tmp_path / "gone"), about, tmp_path)


def test_a_capture_that_is_cut_off_by_its_machines_end_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Any = None
    monkeypatch.setattr(capture_port, "received", lambda *_, **__: b"half of")
    about: Any = {
        "interface": "eth0",
        "bytes": 10,
        "sha256": hashlib.sha256(b"half of it").hexdigest(),
    }
    machine = Computer("server", looks=0)

    with pytest.raises(MachineError, match="the server machine ended"):
        fetch(Guest(machine, nothing, nothing, captures=tmp_path / "port"), about, tmp_path)
