from pathlib import Path

import pytest

from mptcp_guest.clients import pieces
from mptcp_guest.messages import ARRIVED_FILE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pieces_become_the_whole_in_their_order(folder: Path) -> None:
    for name, data in (("b", b"first"), ("a", b""), ("c", b"last")):
        (folder / name).write_bytes(data)
    pieces.main("b", "a", "c")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {ARRIVED_FILE: b"firstlast"}


def test_a_piece_that_never_came_is_named(folder: Path) -> None:
    (folder / "a").write_bytes(b"first")
    with pytest.raises(FileNotFoundError, match="'b'"):
        pieces.main("a", "b")
