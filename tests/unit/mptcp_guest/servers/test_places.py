"""A name lies in its folder or nowhere; a connection ends when its time is up."""

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.servers import listening, places

MARKER = "mpck-" + "a7" * 13
FILES = Path("/files")


def test_a_name_with_a_marker_is_in_the_sessions_folder() -> None:
    assert places.way_to(FILES, "up", "x1") == FILES / "up" / "x1"
    assert places.way_to(FILES, "up", f"{MARKER}.x1") == FILES / MARKER / "up" / "x1"


@given(
    st.text(max_size=70)
    | st.text("./-a", max_size=10).map(lambda rest: f"{MARKER}.{rest}")
    | st.sampled_from([f"{MARKER}...", f"{MARKER}..", f"{MARKER}./x", f"{MARKER}.../x"])
)
def test_no_name_leads_elsewhere(name: str) -> None:
    try:
        path = places.way_to(FILES, "down", name)
    except OSError:
        return
    assert path.parent in {FILES / "down", FILES / name[: len(MARKER)] / "down"}
    assert path.name not in {"", ".", ".."}


def test_links_are_neither_read_nor_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(b"secret")
    for way in (places.taken, places.handed_out):
        with pytest.raises(OSError, match="symbolic links"):
            way(tmp_path / "link")
    with places.taken(tmp_path / "new") as file:
        file.write(b"hello")
    with places.handed_out(tmp_path / "new") as file:
        assert file.read() == b"hello"


def test_a_connection_whose_time_is_up_is_ended() -> None:
    lifetimes = listening.Lifetimes()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60)
        with lifetimes.bounded(theirs):
            lifetimes.end_late(0)
            theirs.sendall(b"x")
            assert ours.recv(1) == b"x"
            lifetimes.end_late(2**63)
            assert ours.recv(1) == b""
        lifetimes.end_late(2**63)  # it is forgotten


def test_a_port_that_something_else_has_is_one_line_for_the_log() -> None:
    with listening.listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            listening.listening("127.0.0.1", port)
    assert ended.value.code == f"cannot listen on 127.0.0.1 port {port}: address already in use"
