import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.flows import crypto

KEYS = st.integers(0, 2**64 - 1)
NONCES = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("keys", "nonces", "digest"),
    [
        (b"0b0b0b0b0b0b0b0b", b"48692054", "8385e24fb4235ac37556b6b886db106284a1da67"),
        (b"aaaaaaaaaaaaaaaa", b"dddddddd", "2c5e219164ff1dca1c4a92318d847bb6b9d44492"),
        (b"0102030405060708", b"cdcdcdcd", "e73b9ba9969969cefb04aa0d6df18ec2fcc075b6"),
    ],
)
def test_the_join_hmac_of_version_1_is_the_linux_kernels(
    keys: bytes, nonces: bytes, digest: str
) -> None:
    """The vectors of net/mptcp/crypto_test.c, whose keys and nonces are these letters."""
    made = crypto.join_hmac(
        own_key=int.from_bytes(keys[:8], "big"),
        peer_key=int.from_bytes(keys[8:], "big"),
        own_nonce=int.from_bytes(nonces[:4], "big"),
        peer_nonce=int.from_bytes(nonces[4:], "big"),
        version=1,
    )

    assert made.hex() == digest


@pytest.mark.parametrize(
    ("version", "token", "idsn"),
    [
        # Printed by sha1sum and sha256sum for the bytes 01 02 03 04 05 06 07 08.
        (0, 0xDD57_83BC, 0x3A95_ED6E_4EBB_4AD5),
        (1, 0x6684_0DDA, 0xF5A1_01D3_D29D_6F72),
    ],
)
def test_token_and_idsn_are_the_ends_of_the_keys_hash(version: int, token: int, idsn: int) -> None:
    assert crypto.token(0x0102030405060708, version) == token
    assert crypto.initial_data_sequence_number(0x0102030405060708, version) == idsn


@given(KEYS, KEYS, NONCES, NONCES, st.sampled_from([0, 1]))
def test_both_ends_prove_themselves_with_different_hmacs_unless_all_is_equal(
    own_key: int, peer_key: int, own_nonce: int, peer_nonce: int, version: int
) -> None:
    mine = crypto.join_hmac(
        own_key=own_key,
        peer_key=peer_key,
        own_nonce=own_nonce,
        peer_nonce=peer_nonce,
        version=version,
    )
    theirs = crypto.join_hmac(
        own_key=peer_key,
        peer_key=own_key,
        own_nonce=peer_nonce,
        peer_nonce=own_nonce,
        version=version,
    )

    assert len(mine) == 20
    assert (mine == theirs) == ((own_key, own_nonce) == (peer_key, peer_nonce))


@given(KEYS, KEYS, st.integers(0, 255), st.binary(min_size=4, max_size=4))
def test_an_address_without_a_port_is_proven_like_port_0(
    own: int, peer: int, address_id: int, address: bytes
) -> None:
    made = crypto.add_addr_hmac(
        own_key=own, peer_key=peer, address_id=address_id, address=address, port=0
    )
    # RFC 2104, section 2, by hand: the key is shorter than the block of 64 bytes.
    secret = own.to_bytes(8, "big") + peer.to_bytes(8, "big") + bytes(48)
    inner = hashlib.sha256(
        bytes(b ^ 0x36 for b in secret) + bytes([address_id]) + address + bytes(2)
    ).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in secret) + inner).digest()

    assert made == outer[-8:]
