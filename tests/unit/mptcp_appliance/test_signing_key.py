import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_catalogues import KEY
from minisign_oracle import minisign
from mptcp_appliance import signing, signing_key
from mptcp_appliance.errors import ImageError

SALT = bytes(range(32))
UMLAUT = "pass wört"
CHEAP = {"operations": 1 << 15, "memory_bytes": 1 << 24}


def never() -> str:
    raise AssertionError("no password was needed")


def test_a_key_without_a_password_is_read_back_and_is_minisigns(tmp_path: Path) -> None:
    content = signing_key.write(KEY, password="", salt=SALT)
    signing_key.create(tmp_path / "k.key", content)

    assert signing_key.read(tmp_path / "k.key", never) == KEY
    (tmp_path / "f").write_bytes(b"text")
    said = minisign("-Sm", "f", "-s", "k.key", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    signing.verify(
        b"text", signing.parse_signature((tmp_path / "f.minisig").read_bytes()), KEY.public
    )


def test_minisign_opens_a_key_with_our_password(tmp_path: Path) -> None:
    content = signing_key.write(KEY, password=UMLAUT, salt=SALT, **CHEAP)
    signing_key.create(tmp_path / "k.key", content)
    (tmp_path / "f").write_bytes(b"text")

    said = minisign("-Sm", "f", "-s", "k.key", cwd=tmp_path, said=f"{UMLAUT}\n".encode())

    assert said.returncode == 0, said.stderr
    signing.verify(
        b"text", signing.parse_signature((tmp_path / "f.minisig").read_bytes()), KEY.public
    )


@pytest.mark.slow
def test_a_key_with_minisigns_password_opens_here(tmp_path: Path) -> None:
    """With minisign's own limits: a gibibyte and some seconds."""
    said = minisign("-G", "-p", "k.pub", "-s", "k.key", cwd=tmp_path, said=b"secret\nsecret\n")
    assert said.returncode == 0, said.stderr

    key = signing_key.read(tmp_path / "k.key", lambda: "secret")

    assert key.public == signing.parse_public_key((tmp_path / "k.pub").read_text())


def test_the_wrong_password_is_said_to_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "k.key"
    signing_key.create(path, signing_key.write(KEY, password=UMLAUT, salt=SALT, **CHEAP))

    with pytest.raises(ImageError, match=r"k\.key cannot be used: the password is wrong"):
        signing_key.read(path, lambda: "wrong")
    assert signing_key.read(path, lambda: UMLAUT) == KEY


def test_minisigns_limits_are_minisigns_parameters() -> None:
    # crypto_pwhash_scryptsalsa208sha256_{OPS,MEM}LIMIT_{SENSITIVE,INTERACTIVE}
    assert signing_key.scrypt_parameters(33_554_432, 1 << 30) == (1 << 20, 8, 1)
    assert signing_key.scrypt_parameters(524_288, 1 << 24) == (1 << 14, 8, 1)
    with pytest.raises(ValueError, match="more memory or work than is sane"):
        signing_key.scrypt_parameters(1 << 40, 1 << 40)


@given(st.integers(0, 1 << 64), st.integers(0, 1 << 64))
def test_any_limits_are_parameters_or_a_value_error(operations: int, memory_bytes: int) -> None:
    try:
        cost, blocks, lanes = signing_key.scrypt_parameters(operations, memory_bytes)
    except ValueError:
        return
    assert cost * blocks * 128 <= 4 << 30
    assert lanes >= 1


def test_a_new_key_is_its_owners_alone_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "k.key"
    signing_key.create(path, b"first")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ImageError, match="exists already"):
        signing_key.create(path, b"second")
    assert path.read_bytes() == b"first"


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.key"
    signing_key.create(path, signing_key.write(KEY, password="", salt=SALT))
    path.chmod(0o640)

    with pytest.raises(ImageError, match="can be read by others") as caught:
        signing_key.read(path, never)
    assert caught.value.hint == f"run: chmod 600 {path}"


def test_a_key_that_is_not_there_or_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no secret key") as caught:
        signing_key.read(tmp_path / "none", never)
    assert "image keygen" in caught.value.hint
    with pytest.raises(ImageError, match="cannot be written: No such file"):
        signing_key.create(tmp_path / "none" / "k.key", b"")


@given(st.binary(max_size=400) | st.binary(min_size=158, max_size=158).map(base64.b64encode))
def test_bytes_are_a_secret_key_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        signing_key.parse(data, lambda: "")


@given(st.integers(6 + 32 + 16, 157))
def test_a_changed_key_is_noticed(place: int) -> None:
    comment, line = signing_key.write(KEY, password=UMLAUT, salt=SALT, **CHEAP).splitlines()
    data = bytearray(base64.b64decode(line))
    data[place] ^= 1

    with pytest.raises(ValueError, match="password is wrong"):
        signing_key.parse(comment + b"\n" + base64.b64encode(data), lambda: UMLAUT)


def test_keys_differ() -> None:
    counter = iter(range(100))
    made = [
        signing_key.generate(lambda size: bytes([next(counter)]) * size).public for _ in range(2)
    ]
    assert made[0] != made[1]
