import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mptcp_upload import canonical_json, receipt
from mptcp_upload.errors import ReceiptError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key()
ABOUT: dict[str, Any] = {"run_id": "r", "bundle_sha256": "0" * 64, "size_bytes": 7}


def signed(**fields: object) -> bytes:
    document = {
        **ABOUT,
        "received_at": "2026-11-21T08:00:00Z",
        "policy_version": "1",
        "url": "https://collector.example/runs/ü",
        "key_id": receipt.key_id(PUBLIC),
        **fields,
    }
    signature = base64.b64encode(KEY.sign(canonical_json.encode(document))).decode()
    return json.dumps({**document, "signature": signature}, indent=2).encode()


def test_a_receipt_that_holds_is_kept_as_it_came() -> None:
    held = receipt.verify(signed(), PUBLIC, **ABOUT)

    assert held.octets == signed()
    assert held.url.endswith("ü")


@pytest.mark.parametrize("field", ["run_id", "bundle_sha256"])
def test_a_receipt_of_another_bundle_is_not_ours(field: str) -> None:
    with pytest.raises(ReceiptError, match=f"its {field} is not ours"):
        receipt.verify(signed(**{field: "other"}), PUBLIC, **ABOUT)


@given(st.binary(max_size=300))
def test_garbage_is_no_receipt_and_nothing_worse(octets: bytes) -> None:
    with pytest.raises(ReceiptError):
        receipt.verify(octets, PUBLIC, **ABOUT)


@given(st.data())
def test_a_receipt_with_another_text_does_not_hold(data: st.DataObject) -> None:
    document = json.loads(signed())
    field = data.draw(st.sampled_from(sorted(document)))
    value = data.draw(st.text() | st.integers() | st.none())
    if value != document[field]:
        changed = json.dumps({**document, field: value}).encode()
        with pytest.raises(ReceiptError):
            receipt.verify(changed, PUBLIC, **ABOUT)


@pytest.mark.parametrize("spell", [bytes.hex, lambda b: base64.b64encode(b).decode()])
def test_a_key_is_hexadecimal_or_base64(spell: Any) -> None:  # noqa: ANN401
    octets = PUBLIC.public_bytes_raw()

    assert receipt.public_key(spell(octets)).public_bytes_raw() == octets


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "key?", "é"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ReceiptError, match="no Ed25519 public key"):
        receipt.public_key(text)
