"""Runs: how they stand, their receipts, and their deletion."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from mptcp_collector.api.asking import Here, RunId, problems
from mptcp_collector.api.documents import Receipt, RunDocument, VerdictDocument
from mptcp_collector.problem import ProblemError

router = APIRouter(prefix="/api/v1/runs/{run_id}")

_bearer = HTTPBearer(auto_error=False, scheme_name="deletion token")


@router.get("", operation_id="run", responses=problems("run_unknown", "run_deleted"))
def run(run_id: RunId, here: Here) -> RunDocument:
    """Say how a run stands, and why where it is in quarantine."""
    found = here.receiving.run(run_id)
    values: dict[str, Any] = {"state": found.state.value}
    return RunDocument(
        **values,
        run_id=found.run_id,
        reason=found.reason,
        received_ns=found.received_ns,
        size_bytes=found.size_bytes,
        verdicts=[
            VerdictDocument(
                rules_version=one.rules_version, judged_ns=one.judged_ns, outcome=one.outcome
            )
            for one in here.receiving.meta.verdicts(run_id)
        ],
    )


@router.get(
    "/receipt",
    operation_id="receipt",
    response_model=Receipt,
    responses=problems("run_unknown", "run_deleted"),
)
def receipt(run_id: RunId, here: Here) -> Response:
    """Return the receipt: the same bytes every time."""
    text = here.receiving.run(run_id).receipt
    headers = {"Cache-Control": "no-store"}
    return Response(text.encode(), media_type="application/json", headers=headers)


@router.delete(
    "",
    status_code=204,
    operation_id="delete_run",
    responses=problems("token_missing", "token_wrong", "run_unknown", "storage_unavailable"),
)
def delete_run(
    run_id: RunId,
    here: Here,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Response:
    """Delete a run for good; its id stays taken, and a second time does nothing."""
    if credentials is None:
        raise ProblemError("token_missing")
    here.receiving.delete(run_id, credentials.credentials)
    return Response(status_code=204)
