from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.server.capture.ftp_data import Lines, active_port, passive_port


@given(st.integers(1, 65535))
def test_ports_are_read_from_every_form(port: int) -> None:
    high, low = divmod(port, 256)
    assert passive_port(f"227 Entering Passive Mode (203,0,113,1,{high},{low}).\r".encode()) == port
    assert passive_port(f"229 Entering Extended Passive Mode (|||{port}|)\r".encode()) == port
    assert active_port(f"PORT 192,0,2,1,{high},{low}\r".encode()) == port
    assert active_port(f"EPRT |1|192.0.2.1|{port}|\r".encode()) == port
    assert active_port(f"eprt |2|2001:db8::1|{port}|\r".encode()) == port


def test_other_lines_announce_nothing() -> None:
    for line in (b"", b"227 none", b"PORT 1,2,3,4,5", b"EPRT |1|x|9|", b"PORT 1,2,3,4,300,1\r"):
        assert (passive_port(line), active_port(line)) == (0, 0)
    assert passive_port(b"229 x (|||99999|)") == 0
    assert active_port(b"229 x (|||50000|)") == 0


@given(st.binary(max_size=200))
def test_no_line_raises(line: bytes) -> None:
    assert 0 <= passive_port(line) <= 65535
    assert 0 <= active_port(b"PORT " + line) <= 65535
    assert 0 <= passive_port(b"227 (" + line) <= 65535


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_lines_are_put_together_from_any_pieces(pieces: list[bytes]) -> None:
    lines = Lines()
    got = [line for piece in pieces for line in lines.add(piece)]
    assert got == b"".join(pieces).split(b"\n")[:-1]


def test_an_endless_line_keeps_little() -> None:
    lines = Lines()
    for _ in range(100):
        assert lines.add(bytes(60_000)) == []
    assert len(lines._rest) == 512
