import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_catalogues import KEY, NOW_S, OTHER_KEY
from mptcp_appliance import rollback
from mptcp_appliance.catalogue import Catalogue
from mptcp_appliance.errors import ImageError
from mptcp_appliance.rollback import Pin

URL = "https://lab.example/images"
PIN = Pin(url=URL, key=KEY.public, former=(OTHER_KEY.public,), version=3, sha256="ab" * 32)


def seen(version: int, expires_s: int = NOW_S + 1) -> Catalogue:
    return Catalogue(title="", version=version, created_s=0, expires_s=expires_s, images=())


def test_a_newer_one_is_taken_and_remembered() -> None:
    rollback.check(PIN, seen(4), b"four", now_s=NOW_S)

    after = PIN.seeing(seen(4), b"four")
    assert after.version == 4
    rollback.check(after, seen(4), b"four", now_s=NOW_S)


@pytest.mark.parametrize(
    ("version", "now_s", "reason"),
    [
        (2, NOW_S, "version 3 was seen before: an older one is refused"),
        (3, NOW_S, "seen before, with other content"),
        (4, NOW_S + 1, "expired at"),
    ],
)
def test_what_must_not_be_believed_is_refused(version: int, now_s: int, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        rollback.check(PIN, seen(version), b"other", now_s=now_s)
    assert caught.value.hint


def test_what_is_remembered_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "catalogues.json"
    assert rollback.pins(path) == {}

    rollback.keep(path, URL, lambda known: PIN if known is None else known)
    rollback.keep(path, "file:///x", lambda _: Pin(url="file:///x", key=OTHER_KEY.public))

    assert rollback.pins(path)[URL] == PIN
    assert rollback.pins(path)["file:///x"].version == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {p.name for p in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}


COUNT_UP = """
import dataclasses, pathlib, sys
from mptcp_appliance import rollback
path, url = pathlib.Path(sys.argv[1]), sys.argv[2]
for _ in range(20):
    rollback.keep(path, url, lambda pin: dataclasses.replace(pin, version=pin.version + 1))
"""


def test_two_processes_do_not_undo_each_others_steps(tmp_path: Path) -> None:
    path = tmp_path / "catalogues.json"
    rollback.keep(path, URL, lambda _: PIN)
    command = [sys.executable, "-c", COUNT_UP, str(path), URL]
    both = [subprocess.Popen(command) for _ in range(2)]
    for process in both:
        assert process.wait() == 0

    assert rollback.pins(path)[URL].version == PIN.version + 40


def test_a_file_that_is_no_file_of_ours_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "catalogues.json"
    for content in (b"", b"{}", b"\xff", rollback.write({URL: PIN})[:-9], bytes(2 << 20)):
        path.write_bytes(content)
        with pytest.raises(ImageError, match="cannot be read"):
            rollback.pins(path)
        with pytest.raises(ImageError, match="cannot be read"):
            rollback.keep(path, URL, lambda _: PIN)
        assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ImageError, match="cannot be written") as caught:
        rollback.keep(tmp_path / "file" / "catalogues.json", URL, lambda _: PIN)
    assert "protects against old catalogues" in caught.value.hint


@given(st.binary(max_size=300))
def test_bytes_are_what_is_remembered_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        rollback.parse(data)


WRITTEN = rollback.write({URL: PIN}).decode()


@given(st.integers(0, len(WRITTEN) - 1), st.characters(codec="utf-8"))
def test_a_damaged_file_is_read_or_a_value_error(place: int, character: str) -> None:
    try:
        found = rollback.parse((WRITTEN[:place] + character + WRITTEN[place + 1 :]).encode())
    except ValueError:
        return
    assert rollback.parse(rollback.write(found)) == found
