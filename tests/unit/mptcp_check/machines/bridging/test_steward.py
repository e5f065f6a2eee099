import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_interfaces import facts, interface, wifi
from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging import planning, remains, steward, taking_effect
from mptcp_check.machines.bridging.attachment import Network
from mptcp_check.machines.bridging.taking_effect import Steward


def make(path: Path) -> tuple[str, ...]:
    return ("touch", str(path))


def remove(path: Path) -> tuple[str, ...]:
    return ("rm", str(path))


def test_what_was_done_is_undone_in_the_reverse_order(tmp_path: Path) -> None:
    one, other, order = tmp_path / "one", tmp_path / "other", tmp_path / "order"
    worker = Steward(tmp_path, "test")
    worker.do(make(one), [("sh", "-c", f"echo one >>{order}")])
    worker.do(make(other), [("sh", "-c", f"echo other >>{order}"), remove(other)])
    assert one.exists()
    worker.end()

    assert order.read_text().split() == ["other", "one"]
    assert not other.exists()
    assert not list(tmp_path.glob(f"*{remains.SUFFIX}"))


def test_a_step_that_fails_is_told_with_its_words_and_what_was_done_is_undone(
    tmp_path: Path,
) -> None:
    made = tmp_path / "made"
    worker = Steward(tmp_path, "test")
    worker.do(make(made), [remove(made)])
    with pytest.raises(PreflightError, match="No such file or directory") as caught:
        worker.do(("ls", "/nowhere"), [make(tmp_path / "never")])
    worker.end()

    assert "`ls /nowhere` failed" in caught.value.message
    assert not made.exists()
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("command", [(), ("mptcp-check-no-such-program",)])
def test_a_program_that_is_missing_is_a_failed_step(tmp_path: Path, command: tuple[str]) -> None:
    worker = Steward(tmp_path, "test")
    if command:
        with pytest.raises(PreflightError, match="no-such-program"):
            worker.do(command)
    worker.end()


def test_a_steward_that_died_is_told(tmp_path: Path) -> None:
    worker = Steward(tmp_path, "test")
    worker._process.kill()
    worker._process.wait()
    with pytest.raises(PreflightError, match="ended"):
        worker.do(make(tmp_path / "file"))
    worker.end()


def test_garbage_instead_of_a_step_undoes_everything(tmp_path: Path) -> None:
    made = tmp_path / "made"
    journal = tmp_path / "journal"
    answers: list[bytes] = []

    def requests() -> Iterator[bytes]:
        yield json.dumps({"do": make(made), "undo": [remove(made)]}).encode()
        assert made.exists()
        assert json.loads(journal.read_bytes()) == [list(remove(made))]
        yield b"garbage"

    with pytest.raises(json.JSONDecodeError):
        steward.serve(requests(), answers.append, journal)

    assert [json.loads(a)["ok"] for a in answers] == [True]
    assert not made.exists()
    assert not journal.exists()


def test_a_journal_that_was_left_is_undone_once(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.touch()
    journal = remains.journal(tmp_path, "dead")
    journal.write_text(json.dumps([list(remove(made))]))

    assert remains.undo(tmp_path) == 1
    assert not made.exists()
    assert not journal.exists()
    assert remains.undo(tmp_path) == 0


@given(st.binary())
def test_a_damaged_journal_names_no_commands(content: bytes) -> None:
    assert all(isinstance(word, str) for c in remains.undoings(content) for word in c)


def test_without_rights_the_commands_are_named_and_nothing_is_done(tmp_path: Path) -> None:
    bridge = interface(master="br0")
    planned = planning.plan([bridge], facts(bridge, uid=1000))
    with (
        pytest.raises(PreflightError, match="needs root") as caught,
        taking_effect.set_up(planned, directory=tmp_path, uid=1000, say=print),
    ):
        raise AssertionError("it was set up")

    assert "sudo ip tuntap add dev mptcp-2 mode tap user 1000" in caught.value.hint
    assert "--iface mptcp-2" in caught.value.hint
    assert "sudo ip link delete dev mptcp-2" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_user_reads_what_is_done_and_how_it_is_undone() -> None:
    (routed,) = planning.plan([wifi()], facts(wifi()), network=Network.ROUTED)
    lines = list(taking_effect.announcement(routed))

    assert lines[0] == "wlan0 (Wi-Fi): the machine will be routed (routed)"
    assert any(line.startswith("  note: wlan0 (Wi-Fi) is Wi-Fi") for line in lines)
    assert "  does: ip tuntap add dev mptcp-3 mode tap user 0" in lines
    assert lines[-1] == "  undoes: ip link delete dev mptcp-3"


def test_a_macvtap_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="the macvtap mptcp-2 cannot be opened"):
        taking_effect.open_macvtap("mptcp-2", sysfs=tmp_path)
