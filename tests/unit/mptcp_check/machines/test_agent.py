import json
from collections.abc import Callable

import pytest

from mptcp_check.errors import MachineError
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines.agent import Agent

CLOCK = {"wall_ns": 1, "monotonic_ns": 2}


class Line:
    """A channel whose other end is a function from a request to the bytes it answers."""

    def __init__(self, answer: Callable[[dict[str, object]], list[bytes]]) -> None:
        self.answer = answer
        self.chunks: list[bytes] = []
        self.closed = False

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def sendall(self, data: bytes) -> None:
        self.chunks += self.answer(json.loads(data))

    def recv(self, nbytes: int) -> bytes:
        if not self.chunks:
            raise TimeoutError
        chunk = self.chunks.pop(0)
        assert len(chunk) <= nbytes
        return chunk

    def close(self) -> None:
        self.closed = True


def agent(
    answer: Callable[[dict[str, object]], list[bytes]], **more: Callable[[float], None]
) -> Agent:
    ticks = iter(range(10**6))
    return Agent(
        Line(answer),
        machine="probe",
        check_alive=more.get("check_alive", lambda _: None),
        now_ns=lambda: next(ticks) * 10**8,
    )


def good(request: dict[str, object]) -> bytes:
    return json.dumps({"id": request["id"], "ok": True, "result": CLOCK}).encode() + b"\n"


def test_a_result_comes_back() -> None:
    assert agent(lambda r: [good(r)]).call("clock") == CLOCK


def test_an_answer_in_pieces_is_put_together() -> None:
    assert agent(lambda r: [bytes([b]) for b in good(r)]).call("clock") == CLOCK


def test_calls_follow_one_another_on_the_same_line() -> None:
    both = agent(lambda r: [good(r)])

    assert [both.call("clock"), both.call("clock")] == [CLOCK, CLOCK]


def test_a_no_is_raised_with_its_kind_and_words() -> None:
    def no(request: dict[str, object]) -> list[bytes]:
        error = {"kind": "failed", "message": "no space left"}
        return [json.dumps({"id": request["id"], "ok": False, "error": error}).encode() + b"\n"]

    with pytest.raises(GuestError, match="probe: clock: no space left") as caught:
        agent(no).call("clock")
    assert caught.value.kind == "failed"


def test_silence_ends_at_the_deadline() -> None:
    with pytest.raises(MachineError, match="probe: no answer to 'clock' in time"):
        agent(lambda _: []).call("clock", within_s=1)


def test_silence_of_a_dead_machine_names_the_machines_end() -> None:
    def dead(_: float) -> None:
        raise MachineError("the probe machine ended")

    with pytest.raises(MachineError, match="the probe machine ended"):
        agent(lambda _: [], check_alive=dead).call("clock")


@pytest.mark.parametrize("broken", [EOFError(), OSError("Socket is closed")])
def test_a_line_that_broke_is_the_machines_end_or_is_told(broken: Exception) -> None:
    """Of paramiko's two errors `EOFError` was once taken for the end of the user's own words."""

    def gone(_: dict[str, object]) -> list[bytes]:
        raise broken

    def dead(_: float) -> None:
        raise MachineError("the probe machine ended")

    with pytest.raises(MachineError, match="the probe machine ended"):
        agent(gone, check_alive=dead).call("clock")
    with pytest.raises(MachineError, match="clock: the connection broke: "):
        agent(gone).call("clock")


def test_signs_of_life_and_hanging_up_are_no_error_where_nobody_is() -> None:
    class Broken(Line):
        def sendall(self, data: bytes) -> None:
            raise EOFError(len(data))

        def close(self) -> None:
            raise EOFError

    alone = Agent(
        Broken(lambda _: []), machine="probe", check_alive=lambda _: None, now_ns=lambda: 0
    )
    alone.sign_of_life()
    alone.close()


def test_a_program_that_ended_is_named() -> None:
    with pytest.raises(MachineError, match="the program in the guest ended during 'clock'"):
        agent(lambda _: [b""]).call("clock")


def test_an_endless_answer_is_cut_off() -> None:
    with pytest.raises(MachineError, match="no answer"):
        agent(lambda _: [b"x" * 65536] * 200).call("clock", within_s=10**5)


def test_an_answer_to_something_else_is_refused() -> None:
    with pytest.raises(MachineError, match="the guest answered"):
        agent(lambda _: [b'{"id": 99, "ok": true, "result": {}}\n']).call("clock")


def test_closing_hangs_up() -> None:
    line = Line(lambda _: [])
    Agent(line, machine="probe", check_alive=lambda _: None, now_ns=lambda: 0).close()

    assert line.closed
