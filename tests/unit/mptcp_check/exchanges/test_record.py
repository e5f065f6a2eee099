import json
from typing import Any

import pytest

from mptcp_check.exchanges.plan import plan
from mptcp_check.exchanges.proof import REQUIRED, Counters
from mptcp_check.exchanges.record import ExchangeRecord, document, record
from mptcp_check.exchanges.ssh import INTERCEPTED
from mptcp_check.model import Transfer, Transport
from mptcp_guest.messages import Digest, ExchangeResult

SENT = Digest(bytes=1000, sha256="a" * 64)
OTHER = Digest(bytes=1000, sha256="b" * 64)
SHORT = Digest(bytes=400, sha256="c" * 64)
ZERO = dict.fromkeys(REQUIRED, 0)

DOWNLOAD = plan()[0]
UPLOAD = next(
    e for e in plan() if e.direction is Transfer.UPLOAD and e.transport is Transport.MPTCP
)


def result(**changed: Any) -> ExchangeResult:  # noqa: ANN401 - fields of a TypedDict
    plain = ExchangeResult(
        start_ns=100,
        end_ns=350,
        duration_ns=249,
        exit_codes=[0],
        timed_out=False,
        stdout_tail="{}",
        stderr_tail="* Trying\n",
        sent=None,
        arrived=SENT,
        samples=[{"time_ns": 200, "text": "mptcp ESTAB"}],
        samples_lost_count=0,
    )
    return ExchangeResult(**{**plain, **changed})  # type: ignore[typeddict-item]


def recorded(**changed: Any) -> ExchangeRecord:  # noqa: ANN401 - fields of a TypedDict
    return record(
        DOWNLOAD,
        result(**changed),
        offered=SENT,
        received=None,
        before=Counters(client=ZERO, server=ZERO),
        after=Counters(client=ZERO | {"TcpActiveOpens": 1}, server=ZERO),
        events={"client": ({"time_ns": 210, "text": "CREATED"},)},
    )


def test_an_exchange_that_delivered_has_no_problem() -> None:
    kept = recorded()
    assert kept.problem is None
    assert kept.sha256_ok
    assert kept.arrived_bytes == 1000
    assert kept.proof.proven
    assert (kept.start_ns, kept.end_ns, kept.duration_ns, kept.exit_code) == (100, 350, 249, 0)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"timed_out": True, "arrived": SHORT}, "not done after 20 s: the client was killed"),
        ({"arrived": OTHER}, "1000 bytes arrived, and not the ones that were sent"),
        ({"arrived": SHORT, "exit_codes": [18]}, "400 of 1000 bytes arrived"),
        (
            {"arrived": None, "exit_codes": [0, 7], "stderr_tail": "curl: (7) refused\n* bye\n"},
            "the client ended with exit code 7: curl: (7) refused",
        ),
        (
            {"arrived": None, "exit_codes": [-11], "stderr_tail": ""},
            "the client ended with exit code -11: no word",
        ),
        ({"arrived": None}, "the client ended well and nothing arrived"),
        ({"exit_codes": [28]}, "the client ended with exit code 28: * Trying"),
    ],
)
def test_what_went_wrong_is_one_line(changed: dict[str, Any], problem: str) -> None:
    kept = recorded(**changed)
    assert kept.problem == problem
    assert kept.sha256_ok == (kept.arrived == SENT)


def test_whoever_is_in_the_servers_place_explains_the_rest() -> None:
    ssh = plan(["ssh"])[0]
    kept = record(
        ssh,
        result(exit_codes=[255], arrived=SHORT, stderr_tail="x\nHost key verification failed.\n"),
        offered=SENT,
        received=None,
        before=Counters(client=ZERO, server=ZERO),
        after=Counters(client=ZERO, server=ZERO),
        events={},
    )
    assert kept.problem == INTERCEPTED


def test_an_upload_is_compared_with_what_the_server_has() -> None:
    after = Counters(client=ZERO, server=ZERO)
    kept = record(
        UPLOAD,
        result(sent=SENT, arrived=None),
        offered=None,
        received=SENT,
        before=after,
        after=after,
        events={},
    )
    assert kept.sha256_ok
    assert kept.problem is None
    assert not kept.proof.proven


def test_without_what_was_sent_nothing_is_compared() -> None:
    after = Counters(client=ZERO, server=ZERO)
    with pytest.raises(ValueError, match="digest of what was sent"):
        record(
            DOWNLOAD,
            result(),
            offered=None,
            received=None,
            before=after,
            after=after,
            events={},
        )


def test_the_document_is_json_and_keeps_only_counters_that_moved() -> None:
    kept = document(recorded())
    assert json.loads(json.dumps(kept)) == kept
    assert kept["counters"] == {"client": {"TcpActiveOpens": [0, 1]}, "server": {}}
    assert kept["exchange"]["transport"] == "tcp"
    assert kept["samples"] == [{"time_ns": 200, "text": "mptcp ESTAB"}]
    assert kept["sent"] == kept["arrived"] == SENT
