"""What everybody may ask: health, limits, keys, metrics."""

import base64

from fastapi import APIRouter, Response

from mptcp_collector import metrics as counting
from mptcp_collector.api.asking import Here, problems
from mptcp_collector.api.documents import Health, Keys, LimitsDocument, PublicKey
from mptcp_collector.receipt import key_id, public_octets

router = APIRouter(prefix="/api/v1")


@router.get("/health", operation_id="health", responses=problems("storage_unavailable"))
def health(here: Here) -> Health:
    """Say that the collector is up and its database answers."""
    here.receiving.meta.counts()
    return Health()


@router.get("/limits", operation_id="limits", responses=problems())
async def limits(here: Here) -> LimitsDocument:
    """Say what is taken here."""
    caps = here.configuration.limits
    return LimitsDocument(
        bundle_bytes=caps.bundle_bytes,
        expanded_bytes=caps.expanded_bytes,
        netblock_bytes_per_day=caps.netblock_bytes_per_day,
        requests_per_minute=caps.requests_per_minute,
        upload_s=caps.upload_s,
        schema_oldest=caps.schema_oldest,
        schema_newest=caps.schema_newest,
        policy_version=here.configuration.policy_version,
    )


@router.get("/keys", operation_id="keys", responses=problems())
def keys(here: Here) -> Keys:
    """Return the keys that verify receipts."""
    public = here.receiving.key.public_key()
    text = base64.b64encode(public_octets(public)).decode()
    return Keys(keys=[PublicKey(key_id=key_id(public), public_key=text)])


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **problems("storage_unavailable")},
)
def metrics(here: Here) -> Response:
    """Return counts for Prometheus."""
    text = here.metrics.text(here.receiving.meta.counts())
    return Response(text.encode(), headers={"Content-Type": counting.CONTENT_TYPE})
