"""A machine is put back as it was, by its agent or by the one after it."""

import json
from pathlib import Path

from mptcp_guest.undo import FILE, Undo, remove_remains, take


def writes(path: Path, word: str) -> list[str]:
    return ["sh", "-c", f"printf {word} >> '{path}'"]


def test_the_last_change_is_undone_first_and_a_failure_keeps_no_other(tmp_path: Path) -> None:
    said = tmp_path / "said"
    undo = Undo(tmp_path / FILE)
    undo.add(writes(said, "first"), ["false"], ["no-such-program"], writes(said, "last"))
    assert json.loads((tmp_path / FILE).read_text())[1] == ["false"]

    undo.all()
    undo.all()

    assert said.read_text() == "lastfirst"
    assert json.loads((tmp_path / FILE).read_text()) == []


def test_what_a_killed_agent_left_is_undone_and_a_living_ones_stays(tmp_path: Path) -> None:
    said = tmp_path / "said"
    parent = tmp_path / "agents"
    for name in ("dead", "alive"):
        (parent / name).mkdir(parents=True)
        Undo(parent / name / FILE).add(writes(said, name))
    lock = take(parent / "alive")
    assert lock is not None

    with lock:
        assert remove_remains(parent) == ["dead"]

    assert said.read_text() == "dead"
    assert [p.name for p in parent.iterdir()] == ["alive"]


def test_a_file_that_is_no_list_of_commands_is_not_run(tmp_path: Path) -> None:
    for number, text in enumerate(('{"a": 1}', "[[]]", "[[1]]", '["ls"]', "x", "")):
        directory = tmp_path / f"dead{number}"
        directory.mkdir()
        (directory / FILE).write_text(text)

    assert len(remove_remains(tmp_path)) == 6
    assert list(tmp_path.iterdir()) == []
