import stat
import threading
from pathlib import Path

import pytest

from mptcp_appliance import durable


def test_a_file_is_replaced_with_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    durable.replace(path, b"after", mode=0o640)

    assert path.read_bytes() == b"after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_of_files_that_belong_together_none_changes_when_one_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "none" / "second"
    first.write_text("before")

    with pytest.raises(FileNotFoundError):
        durable.replace_all({first: b"after", second: b"after"}, mode=0o600)
    assert first.read_text() == "before"
    assert list(tmp_path.iterdir()) == [first]

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        durable.replace(first, b"after", mode=0o600)
    assert first.read_text() == "before"
    assert list(tmp_path.iterdir()) == [first]


def test_a_second_one_waits_for_the_first_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "_LOOK_AGAIN_S", 0.01)
    order: list[str] = []
    waits = threading.Event()

    def second() -> None:
        with durable.alone(tmp_path / "lock", waits.set):
            order.append("second")

    with durable.alone(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(60)
        order.append("first")
    thread.join(60)

    assert order == ["first", "second"]
