"""Bundles and requests that mean harm: some with every change, ten minutes of them in test-all."""

import copy
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from schemathesis import Case

import hostile_requests
from collector_parts import RUN_ID, TOKEN, TUS, Parts, bundle, configuration, parts
from collector_runs import run_bundle
from mptcp_check import clock
from mptcp_collector.api import application
from mptcp_collector.jobs import judge_child, sandbox_answer
from mptcp_collector.jobs.sandbox import SandboxError
from mptcp_collector.review.report_view import drawn
from mptcp_upload import archive, canonical_json
from mptcp_upload.bundle import MANIFEST, read

S = 10**9
LONG_S = 600
MUTATING_S = 20
WHOLE = run_bundle(RUN_ID, "mp_capable_removed_from_syn")

log = logging.getLogger(__name__)


def flipped(octets: bytes, rng: random.Random) -> bytes:
    """Change some bytes anywhere."""
    changed = bytearray(octets)
    for _ in range(rng.randint(1, 6)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(octets: bytes, rng: random.Random) -> bytes:
    """Leave out, double or add a piece."""
    at, to = sorted(rng.randrange(len(octets)) for _ in range(2))
    piece = octets[at : min(to, at + 2000)]
    return octets[:at] + rng.choice([b"", piece * 2, rng.randbytes(512)]) + octets[to:]


def repacked(octets: bytes, rng: random.Random) -> bytes:
    """Change what is inside, and make a sound archive of it with true digests."""
    whole = read(octets)
    contents = {name: whole.content(name) for name in whole.names}
    name = rng.choice(sorted(contents))
    contents[name] = rng.choice([flipped, cut, values])(contents[name], rng)
    about = {k: v for k, v in whole.manifest.items() if k not in {"schema", "members"}}
    return _written(contents, about)


def remanifested(octets: bytes, rng: random.Random) -> bytes:
    """Change the manifest, and make a sound archive of it."""
    members = {name: bytes(content) for name, content in archive.read(octets).items()}
    members[MANIFEST] = values(members[MANIFEST], rng)
    return archive.write(members)


HARD = (None, True, -1, 2**70, 1e308, "", "\0", "\ud800", "x" * 5000, [], {}, [[]], "../../x")


def values(octets: bytes, rng: random.Random) -> bytes:
    """Put something else in some places of a JSON document; other bytes are flipped."""
    try:
        document = json.loads(octets)
    except ValueError:
        return flipped(octets, rng)
    for _ in range(rng.randint(1, 3)):
        place = document
        while isinstance(place, dict | list) and place:
            key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], dict | list) or rng.random() < 0.2:
                place[key] = copy.deepcopy(rng.choice(HARD))
                break
            place = place[key]
    try:
        return canonical_json.encode(document)
    except ValueError:
        return json.dumps(document).encode()


def _written(contents: dict[str, bytes], about: dict[str, object]) -> bytes:
    from mptcp_upload import bundle as bundles  # noqa: PLC0415 - a name of this module's own

    return bundles.write(contents, about)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped,
    cut,
    repacked,
    remanifested,
)


def judge(octets: bytes) -> str:
    """Do all that is done with a bundle: judge it, read the answer, draw what is in it."""
    answer = judge_child.judged(octets, RUN_ID)
    if "refused" in answer:
        return str(answer["refused"])
    try:
        _, verdicts = sandbox_answer.read(json.dumps(answer).encode(), RUN_ID, now_ns=0)
    except SandboxError as e:
        return e.word
    return "drawn" if all(drawn(one.report) is not None for one in verdicts) else "not drawn"


def fuzz(rng: random.Random, more: Callable[[int], bool]) -> dict[str, int]:
    """Judge mutations while more are wanted; return how often what came of it."""
    met: dict[str, int] = {}
    count = 0
    while more(count):
        try:
            octets = MUTATIONS[count % len(MUTATIONS)](WHOLE, rng)
        except UnicodeEncodeError:
            octets = WHOLE[:-1]  # what no client can write: a half of a surrogate pair
        word = judge(octets)
        met[word] = met.get(word, 0) + 1
        count += 1
    return met


def test_mutated_bundles_are_judged_or_refused_with_a_word() -> None:
    assert judge(WHOLE) == "drawn"
    met = fuzz(random.Random(1), lambda count: count < 120)  # noqa: S311 - no secret
    assert met.keys() <= {
        "analysis_failed",
        "bad_bundle",
        "drawn",
        "not drawn",
        "schema_too_new",
        "schema_too_old",
        "too_large",
    }
    assert len(met) > 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Parts]:
    with parts(configuration(tmp_path)) as found:
        yield found


def ask(server: Parts, count: int, *, begin: int = 0) -> set[int]:
    """Send hostile requests to a collector that has a run and an upload."""
    server.client.upload(bundle(1))
    location = server.client.create(bundle(2), "run-that-is-asked-for").headers["Location"]

    def prepare(case: Case, known: bool) -> dict[str, str]:  # noqa: FBT001 - drawn
        headers = dict(TUS) if known else {}
        if known and "upload_id" in case.path_parameters:
            case.path_parameters["upload_id"] = location.rpartition("/")[2]
        if known and "run_id" in case.path_parameters and case.method == "GET":
            case.path_parameters["run_id"] = RUN_ID
        if known and case.method == "DELETE":
            headers["Authorization"] = f"Bearer not {TOKEN}"
        return headers

    schema = hostile_requests.schema(server.client.http.app, application.openapi())
    return hostile_requests.ask(schema, count, prepare, begin=begin)


def test_hostile_requests_get_the_answers_that_are_documented(server: Parts) -> None:
    assert {200, 404} <= ask(server, 6)
    assert server.client.receipt().status_code == 200


@pytest.mark.slow
def test_ten_minutes_of_mutated_bundles_and_hostile_requests(server: Parts) -> None:
    rng = random.Random(20_261_121)  # noqa: S311 - no secret
    end_ns, rounds = clock.monotonic_ns() + LONG_S * S, 0
    judged: Counter[str] = Counter()
    statuses: set[int] = set()
    while clock.monotonic_ns() < end_ns:
        rounds += 1
        statuses |= ask(server, 40, begin=rounds)
        until_ns = clock.monotonic_ns() + MUTATING_S * S
        judged.update(fuzz(rng, lambda _, until_ns=until_ns: clock.monotonic_ns() < until_ns))
    log.info("bundles: %s, answers: %s", dict(judged), sorted(statuses))
    assert judged.total() > 500
    assert not {status for status in statuses if status >= 500}
    assert server.client.receipt().status_code == 200
