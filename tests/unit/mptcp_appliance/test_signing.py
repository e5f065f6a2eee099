import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_catalogues import KEY, OTHER_KEY
from minisign_oracle import minisign
from mptcp_appliance import signing, signing_rotation
from mptcp_appliance.signing import Signature

DOCUMENT = b"what was signed\n"
SIGNED = signing.sign(DOCUMENT, KEY, trusted_comment="a laboratory's images")


def test_minisign_verifies_what_is_signed_here(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DOCUMENT)
    (tmp_path / "f.minisig").write_text(SIGNED.text)

    good = minisign("-Vm", "f", "-P", KEY.public.text, cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "Trusted comment: a laboratory's images" in good.stdout

    (tmp_path / "f").write_bytes(DOCUMENT + b" ")
    assert minisign("-Vm", "f", "-P", KEY.public.text, cwd=tmp_path).returncode != 0


def test_what_minisign_signs_is_verified_here(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DOCUMENT)
    assert minisign("-GW", "-p", "k.pub", "-s", "k.key", cwd=tmp_path).returncode == 0
    said = minisign("-Sm", "f", "-s", "k.key", "-t", "by hand", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    key = signing.parse_public_key((tmp_path / "k.pub").read_text())
    found = signing.parse_signature((tmp_path / "f.minisig").read_bytes())

    signing.verify(DOCUMENT, found, key)
    assert found.trusted_comment == "by hand"
    assert (
        (tmp_path / "k.pub")
        .read_text()
        .startswith(f"untrusted comment: minisign public key {key.name}\n")
    )
    with pytest.raises(ValueError, match="was changed after it was signed"):
        signing.verify(DOCUMENT + b" ", found, key)


def test_a_legacy_signature_of_minisign_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DOCUMENT)
    minisign("-GW", "-p", "k.pub", "-s", "k.key", cwd=tmp_path)
    assert minisign("-lSm", "f", "-s", "k.key", cwd=tmp_path).returncode == 0

    with pytest.raises(ValueError, match="legacy signature"):
        signing.parse_signature((tmp_path / "f.minisig").read_bytes())


def test_a_signature_is_read_back_as_it_was_written() -> None:
    assert signing.parse_signature(SIGNED.text.encode()) == SIGNED
    assert signing.parse_signature(SIGNED.text.replace("\n", "\r\n").encode()) == SIGNED
    signing.verify(DOCUMENT, SIGNED, KEY.public)


def test_a_keys_number_is_written_as_minisign_does() -> None:
    # one of minisign's own: RWSIacnlmCYNBdkx... is called 50D2698E5C96988
    assert signing.key_name(bytes.fromhex("8869c9e598260d05")) == "50D2698E5C96988"


def test_a_public_key_is_a_line_or_a_file() -> None:
    text = KEY.public.text

    assert text.startswith("RW")
    for given_text in (text, f" {text}\n", f"untrusted comment: whose it is\n{text}\n"):
        assert signing.parse_public_key(given_text) == KEY.public


def test_another_key_is_named() -> None:
    with pytest.raises(ValueError, match=f"signed with the key {KEY.public.name}, not with"):
        signing.verify(DOCUMENT, SIGNED, OTHER_KEY.public)


def test_another_key_of_the_same_number_is_refused_too() -> None:
    forger = signing.SecretKey(key_id=KEY.key_id, seed=OTHER_KEY.seed)

    with pytest.raises(ValueError, match="was changed after it was signed"):
        signing.verify(DOCUMENT, SIGNED, forger.public)


def test_a_changed_trusted_comment_is_noticed() -> None:
    changed = Signature(
        key_id=SIGNED.key_id,
        signature=SIGNED.signature,
        trusted_comment="somebody's images",
        comment_signature=SIGNED.comment_signature,
    )
    with pytest.raises(ValueError, match="trusted comment of its signature was changed"):
        signing.verify(DOCUMENT, changed, KEY.public)


@given(st.integers(0, 8 * (8 + 64 + 64 + 21) - 1))
def test_no_bit_of_a_signature_can_be_changed(bit: int) -> None:
    fields = bytearray(SIGNED.key_id + SIGNED.signature + SIGNED.comment_signature)
    fields += SIGNED.trusted_comment.encode()
    fields[bit // 8] ^= 1 << bit % 8
    changed = Signature(
        key_id=bytes(fields[:8]),
        signature=bytes(fields[8:72]),
        comment_signature=bytes(fields[72:136]),
        trusted_comment=fields[136:].decode("latin-1"),
    )
    with pytest.raises(ValueError, match=r"signed|comment"):
        signing.verify(DOCUMENT, changed, KEY.public)


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_bytes_are_a_signature_or_a_value_error(data: bytes) -> None:
    try:
        found = signing.parse_signature(data)
    except ValueError:
        return
    assert signing.parse_signature(found.text.encode()) == found


@given(st.integers(0, len(SIGNED.text) - 1), st.characters())
def test_a_damaged_signature_is_refused_or_says_the_same(place: int, character: str) -> None:
    text = SIGNED.text[:place] + character + SIGNED.text[place + 1 :]
    try:
        signing.verify(
            DOCUMENT, signing.parse_signature(text.encode("utf-8", "ignore")), KEY.public
        )
    except ValueError:
        return
    # only the first comment may differ, which nobody signs, and the base64's padding bits
    assert signing.parse_signature(text.encode()).trusted_comment == SIGNED.trusted_comment


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()))
def test_text_is_a_public_key_or_a_value_error(text: str) -> None:
    try:
        found = signing.parse_public_key(text)
    except ValueError:
        return
    assert signing.parse_public_key(found.text) == found


@pytest.mark.parametrize("comment", ["two\nlines", "x" * 5000, "bell\a"])
def test_a_comment_that_minisign_would_not_read_is_not_written(comment: str) -> None:
    with pytest.raises(ValueError, match="one printable line"):
        signing.sign(DOCUMENT, KEY, trusted_comment=comment)


def test_a_secret_key_never_shows_its_secret() -> None:
    assert "seed" not in repr(KEY)
    assert KEY.seed.hex() not in repr(KEY)


def test_a_hand_over_is_of_one_key_to_another() -> None:
    document = signing_rotation.write(KEY.public, OTHER_KEY.public)

    assert signing_rotation.parse(document, old=KEY.public) == OTHER_KEY.public
    with pytest.raises(ValueError, match="not the hand-over of the key"):
        signing_rotation.parse(document, old=OTHER_KEY.public)
    with pytest.raises(ValueError, match="to itself"):
        signing_rotation.parse(signing_rotation.write(KEY.public, KEY.public), old=KEY.public)


@given(st.binary(max_size=300))
def test_bytes_are_a_hand_over_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        signing_rotation.parse(data, old=KEY.public)
