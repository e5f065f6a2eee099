from collections.abc import Callable

import pytest

from mptcp_check import image_test
from mptcp_check.errors import MachineError
from mptcp_check.image_test import Said, heard


class Channel:
    """A channel whose bytes come in these pieces; none is a silence."""

    def __init__(self, *pieces: bytes | None, status: int = 0) -> None:
        self.pieces = list(pieces)
        self.status = status

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def recv(self, nbytes: int) -> bytes:
        assert nbytes > 0
        piece = self.pieces.pop(0) if self.pieces else b""
        if piece is None:
            raise TimeoutError
        return piece

    def recv_exit_status(self) -> int:
        return self.status


def hear(
    channel: Channel,
    told: list[str],
    *,
    check_alive: Callable[[], None] = lambda: None,
    times: list[int] | None = None,
) -> Said:
    left = times if times is not None else [0] * 100
    return heard(
        channel,
        what="diag",
        on_line=told.append,
        check_alive=check_alive,
        now_ns=lambda: left.pop(0),
        deadline_ns=5,
    )


def test_lines_are_told_as_they_come_and_the_whole_is_kept() -> None:
    told: list[str] = []

    said = hear(Channel(b"one\ntw", None, b"o\nth", b"ree \xff", status=3), told)

    assert told == ["one", "two"]
    assert said == Said(text="one\ntwo\nthree \ufffd", exit_status=3)


def test_a_silent_command_is_given_up() -> None:
    with pytest.raises(MachineError, match="diag did not end in the machine"):
        hear(Channel(None, None, None), [], times=[1, 3, 6])


def test_a_command_that_never_stops_writing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_test, "MOST_BYTES", 10)

    with pytest.raises(MachineError, match="diag did not end"):
        hear(Channel(*[b"x" * 6] * 5), [])


def test_a_machine_that_dies_is_noticed_in_the_silence() -> None:
    def dead() -> None:
        raise MachineError("the machine ended")

    with pytest.raises(MachineError, match="the machine ended"):
        hear(Channel(b"x", None), [], check_alive=dead)
