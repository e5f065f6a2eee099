from pathlib import Path

import pytest

from mptcp_guest import payload
from mptcp_guest.messages import Content
from mptcp_guest.serving import git
from mptcp_guest.serving.git import PROGRAM

CONTENT = Content(seed="git", bytes=200_000)


def pushed(files: Path, name: str) -> None:
    """Put a content where a push would leave it."""
    uploads = files / git.UPLOADS
    git.run(files, "init", "--quiet", "--bare", str(uploads))
    size = payload.digest(CONTENT)["bytes"]
    given = b"".join(git.stream(name, payload.blocks(CONTENT), size))
    git.run(files, f"--git-dir={uploads}", "fast-import", "--quiet", "--done", given=given)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "down").mkdir()
    return tmp_path


def test_what_is_offered_is_one_file_in_one_commit(files: Path) -> None:
    digest = PROGRAM.shelf.offer(files, "x0001", CONTENT)
    repository = f"--git-dir={files}/down/x0001.git"
    blob = git.run(files, repository, "cat-file", "blob", f"x0001:{git.CONTENT}")
    assert payload.digest_of(blob) == digest == payload.digest(CONTENT)
    assert git.run(files, repository, "rev-list", "--all", "--count") == b"1\n"
    PROGRAM.shelf.discard(files, "x0001")
    assert list((files / "down").iterdir()) == []


def test_what_was_pushed_is_found_and_forgotten(files: Path) -> None:
    pushed(files, "x0002")
    assert PROGRAM.shelf.received(files, "x0002") == payload.digest(CONTENT)
    assert PROGRAM.shelf.received(files, "x0003") is None
    PROGRAM.shelf.discard(files, "x0002")
    assert PROGRAM.shelf.received(files, "x0002") is None


def test_what_git_says_is_in_the_error(files: Path) -> None:
    with pytest.raises(OSError, match="git cat-file blob nothing: exit 128: fatal: "):
        git.run(files, "cat-file", "blob", "nothing")


def test_the_daemon_serves_two_places_and_takes_no_archive_requests() -> None:
    words = git.command(Path("/w"), address="fd77::2", port=9418)
    assert words[-2:] == ["/w/down", "/w/up.git"]
    assert {"--listen=fd77::2", "--port=9418", "--forbid-override=upload-archive"} <= set(words)
