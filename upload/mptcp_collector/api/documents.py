"""What goes out as JSON."""

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """Whether uploads are taken."""

    status: Literal["ok"] = "ok"


class LimitsDocument(BaseModel):
    """What is taken here."""

    bundle_bytes: int
    expanded_bytes: int
    netblock_bytes_per_day: int
    """Without tickets."""
    requests_per_minute: int
    upload_s: int
    schema_oldest: int
    schema_newest: int
    policy_version: str


class PublicKey(BaseModel):
    """A key that signs receipts."""

    key_id: str
    algorithm: Literal["Ed25519"] = "Ed25519"
    public_key: str
    """32 octets, base64."""


class Keys(BaseModel):
    """All keys that signed receipts of this collector."""

    keys: list[PublicKey]


class Receipt(BaseModel):
    """Signed over the canonical JSON of the other fields: sorted keys, no spaces, UTF-8."""

    run_id: str
    bundle_sha256: str
    size_bytes: int
    received_at: str
    policy_version: str
    url: str
    key_id: str
    signature: str


class VerdictDocument(BaseModel):
    """What one version of the rules says."""

    rules_version: str
    judged_ns: int
    outcome: str


class RunDocument(BaseModel):
    """How a run stands."""

    run_id: str
    state: Literal["received", "analysed", "quarantined"]
    reason: str
    """Why it is in quarantine."""
    received_ns: int
    size_bytes: int
    verdicts: list[VerdictDocument]
    """Newest first; none is ever overwritten."""
