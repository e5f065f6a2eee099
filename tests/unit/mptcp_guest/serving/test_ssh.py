import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_guest.serving import ssh


def asked(files: Path, command: str) -> subprocess.CompletedProcess[bytes]:
    script = files.parent / "stream"
    script.write_text(ssh.script(files))
    return subprocess.run(
        ["sh", str(script)],
        input=b"taken",
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SSH_ORIGINAL_COMMAND": command},
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("a space") / "files"
    for name in ("down", "up"):
        (place / name).mkdir(parents=True)
    (place / "down/x.1").write_text("content")
    (place / "secret").write_text("content")
    return place


def test_a_file_is_sent_and_one_is_taken(files: Path) -> None:
    assert asked(files, "send x.1").stdout == b"content"
    assert asked(files, "take y").returncode == 0
    assert (files / "up/y").read_bytes() == b"taken"
    (files / "up/y").unlink()


HOSTILE = (
    "",
    "id",
    "send",
    "send ",
    "send ../secret",
    "send x.1 x.1",
    "send $(id)",
    "send x.1; id",
    "send x.1\nid",
    "send  x.1",
    "take .profile",
    "take -x",
    "scp -f secret",
    "scp -f down/x.1 secret",
    "scp -S /bin/sh -f down/x.1",
    "scp -t up/../down/y",
    "*",
)


@pytest.mark.parametrize("command", HOSTILE)
def test_nothing_else_is_done(files: Path, command: str) -> None:
    done = asked(files, command)
    assert (done.returncode, done.stdout) == (ssh.NO_SUCH_COMMAND, b"")
    assert list((files / "up").iterdir()) == []


@settings(max_examples=60)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_whatever_it_is(files: Path, command: str) -> None:
    done = asked(files, command)
    assert (done.returncode, done.stdout) == (ssh.NO_SUCH_COMMAND, b"")


def test_sshd_itself_accepts_its_configuration(tmp_path: Path) -> None:
    key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "host_key")]
    subprocess.run(key, check=True)
    for address in ("127.0.0.1", "::1"):
        text = ssh.configuration(tmp_path, tmp_path, user="mptcp", address=address, port=2222)
        (tmp_path / "sshd_config").write_text(text)
        test = ["/usr/sbin/sshd", "-t", "-f", str(tmp_path / "sshd_config")]
        assert subprocess.run(test, capture_output=True, check=True).stderr == b""


def test_the_users_own_list_keeps_everybody_else() -> None:
    own = "root:x:0:0:root:/root:/bin/bash\nmptcp:x:1000:1000::/srv/ftp:/bin/sh\n"
    assert ssh.users(own, ["mptcp", "mptcp-stream"], uid=33, gid=33) == (
        "root:x:0:0:root:/root:/bin/bash\n"
        "mptcp:x:33:33::/:/bin/sh\n"
        "mptcp-stream:x:33:33::/:/bin/sh\n"
    )
