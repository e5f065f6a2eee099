"""The commands over ssh: four, about one file of a session's folder."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.server.ssh import commands, folder
from mptcp_check.server.ssh.folder import Spot

MOST_BYTES = 1000


class Wire:
    """Gives what is said, and keeps what is answered."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.answered = b""

    def recv(self, nbytes: int) -> bytes:
        given_, self.said = self.said[:nbytes], self.said[nbytes:]
        return given_

    def sendall(self, s: bytes) -> None:
        self.answered += s


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for place in folder.PLACES:
        (tmp_path / place).mkdir()
    (tmp_path / "down" / "x1").write_bytes(b"content")
    return tmp_path


def talk(files: Path, command: bytes, said: bytes = b"") -> bytes:
    wanted = commands.asked(command)
    assert wanted is not None
    wire = Wire(said)
    wanted(wire, files, MOST_BYTES)
    return wire.answered


def test_a_stream_goes_each_way(files: Path) -> None:
    assert talk(files, b"send x1") == b"content"
    assert talk(files, b"take x2", b"hello" * 20) == b""
    assert (files / "up" / "x2").read_bytes() == b"hello" * 20


def test_scps_own_protocol_goes_each_way(files: Path) -> None:
    assert talk(files, b"scp -f down/x1", b"\0\0\0") == b"C0644 7 x1\ncontent\0"
    assert talk(files, b"scp -t up/x2", b"C0644 5 sent\nhello\0") == b"\0\0\0"
    assert (files / "up" / "x2").read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (b"send missing", b""),
        (b"take x2", b"y" * (MOST_BYTES + 1)),
        (b"scp -t up/x2", b"C0644 1001 sent\n"),
        (b"scp -t up/x2", b"D0755 0 folder\n"),
        (b"scp -t up/x2", b"C0644 5 sent\nhe"),
        (b"scp -t up/x2", b"y" * 5000),
        (b"scp -f down/x1", b"\1no"),
        (b"scp -f down/x1", b""),
    ],
)
def test_what_does_not_fit_ends_with_an_error(files: Path, command: bytes, said: bytes) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - whichever
        talk(files, command, said)


def test_a_link_is_not_followed(files: Path) -> None:
    (files / "secret").write_bytes(b"secret")
    (files / "up" / "link").symlink_to(files / "secret")
    (files / "down" / "link").symlink_to(files / "secret")
    for command, said in ((b"take link", b"x"), (b"send link", b"")):
        with pytest.raises(OSError, match=r"symbolic links|Too many levels"):
            talk(files, command, said)
    assert (files / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize(
    "command",
    [
        *(b"", b"id", b"send", b"send ../x", b"send x1 ", b"send x1; id", b"send x1\nid"),
        *(b"scp -t down/x1", b"scp -f up/x1", b"scp -r -f down/x1", b"scp -f down", b"\xff"),
        *(b"take .hidden", b"send -x", b"take ..", b"internal-sftp", b"scp -f down/../up/x1"),
    ],
)
def test_any_other_command_is_none(command: bytes) -> None:
    assert commands.asked(command) is None


@given(st.binary(max_size=100))
def test_no_command_raises(command: bytes) -> None:
    assert commands.asked(command) is None or b" " in command


@given(st.text(max_size=60) | st.sampled_from(["/up/x", "down//x", "./up/./x", "/down/../up/x"]))
def test_a_path_means_a_plain_name_in_one_of_two_places_or_nothing(path: str) -> None:
    found = folder.spot(path)
    if found is not None:
        assert found.way in folder.PLACES
        assert os.path.basename(found.name) == found.name  # noqa: PTH119 - of a text
        assert ".." not in path.split("/")


def test_paths_that_clients_say_are_known() -> None:
    assert folder.spot("/up/x1") == folder.spot("up/x1") == Spot("up", "x1")
    assert folder.spot("/home/x1") is None
    assert folder.spot("/up/a/b") is None
