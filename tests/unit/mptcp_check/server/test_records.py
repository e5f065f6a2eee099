"""What is kept: the database over restarts, logs without users, metrics, keys, counters."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from measurement_server import START_NS, Parts, S, parts
from mptcp_check.errors import UsageError
from mptcp_check.server import kernel_counters, marker, metrics, signing_key
from mptcp_check.server.address_log import AddressLog
from mptcp_check.server.metrics import Metric
from mptcp_check.server.serving.caps import ConnectionCaps
from mptcp_check.server.store import Store


def test_sessions_survive_a_restart(tmp_path: Path) -> None:
    with parts(tmp_path) as server:
        held = server.session(server.client())
        held.post("/capture/start")
    with parts(tmp_path) as again:
        again.captures.running.update(server.captures.running)
        held.client = again.client()
        assert held.get().json()["state"] == "open"
        assert held.post("/capture/stop").status_code == 200


def test_a_database_of_tomorrow_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = Store(path)
    store._db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(UsageError, match="later version"):
        Store(path)
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(UsageError, match="cannot be used"):
        Store(path)


def test_a_transaction_is_all_or_nothing(server: Parts) -> None:
    store = server.sessions.store

    def interrupted() -> None:
        with store.transaction():
            store.add_use("n", now_ns=START_NS, captured_bytes=5)
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert store.used("n", now_ns=START_NS) == (0, 0)


def test_the_log_names_networks_and_never_users(
    server: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        server.session(server.client("192.0.2.77")).post("/finish")
        server.session(server.client("2001:db8:1:2:3:4:5:6")).post("/finish")
        server.sessions.lame_duck = lambda: True
        server.client("192.0.2.78").post("/v1/sessions", json={})
    assert "192.0.2.0/24 session" in caplog.text
    assert "2001:db8:1::/56 session" in caplog.text
    assert "192.0.2.7" not in caplog.text
    assert ":3:4:5:6" not in caplog.text
    assert not (server.configuration.server.state / "addresses").exists()


def test_whole_addresses_vanish_when_their_time_is_over(tmp_path: Path) -> None:
    log = AddressLog(folder=tmp_path / "a", full_addresses_s=3600, ipv4_bits=24, ipv6_bits=56)
    log.tidy(now_ns=START_NS)
    for minute in range(0, 180, 5):
        now_ns = START_NS + minute * 60 * S
        log.note(f"192.0.2.{minute}", "session", now_ns=now_ns)
        log.tidy(now_ns=now_ns)
        kept = "".join(path.read_text() for path in (tmp_path / "a").iterdir())
        for past in range(0, minute + 1, 5):
            there = f" 192.0.2.{past} " in kept
            if minute - past >= 60:
                assert not there
            if minute - past < 45:
                assert there
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "a").iterdir())
    none = AddressLog(folder=tmp_path / "a", full_addresses_s=0, ipv4_bits=24, ipv6_bits=56)
    none.tidy(now_ns=START_NS)
    assert list((tmp_path / "a").iterdir()) == []


def test_a_log_that_cannot_be_written_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").write_text("a file where a folder should be")
    log = AddressLog(folder=tmp_path / "a", full_addresses_s=60, ipv4_bits=24, ipv6_bits=56)
    log.note("192.0.2.1", "session", now_ns=START_NS)
    assert "cannot be written" in caplog.text


@given(st.dictionaries(st.text(max_size=8), st.integers(0, 2**53), max_size=4))
def test_prometheus_reads_what_we_write(values: dict[str, int]) -> None:
    text = metrics.text(
        [
            Metric(
                name="things_total", kind="counter", help="Things.", values=values, label="kind"
            ),
            Metric(name="level", kind="gauge", help="Level.", values={"": 0.5}),
        ]
    )
    families = {family.name: family for family in text_string_to_metric_families(text)}
    prefix = metrics.PREFIX
    assert families[f"{prefix}level"].samples[0].value == 0.5
    samples = families[f"{prefix}things"].samples
    assert {one.labels["kind"]: int(one.value) for one in samples} == values


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=100), st.binary(max_size=100))
def test_a_marker_is_found_wherever_it_stands(nonce: bytes, before: bytes, after: bytes) -> None:
    made = marker.marker(nonce)
    assert len(made) == marker.CHARACTERS
    if not before.lower().endswith(b"mpck-") and b"mpck-" not in before.lower():
        assert marker.find(before + made.upper().encode() + b"/" + after) == made


@given(st.binary(max_size=300))
def test_no_bytes_raise_when_a_marker_is_looked_for(octets: bytes) -> None:
    assert marker.find(octets) in ("", marker.find(octets).lower())


def test_keys_are_made_once_kept_secret_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    key = signing_key.generate(path)
    assert path.stat().st_mode & 0o077 == 0
    assert signing_key.load(path).private_bytes_raw() == key.private_bytes_raw()
    assert signing_key.public_text(key).startswith("-----BEGIN PUBLIC KEY-----")
    with pytest.raises(UsageError, match="is there already"):
        signing_key.generate(path)
    path.chmod(0o604)
    with pytest.raises(UsageError, match="read by everyone"):
        signing_key.load(path)
    path.chmod(0o600)
    path.write_text("junk")
    with pytest.raises(UsageError, match="no private key"):
        signing_key.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        signing_key.load(tmp_path / "none")


def test_kernel_counters_are_read_by_their_names() -> None:
    text = "TcpExt: A B\nTcpExt: 1 2\nMPTcpExt: X Y\nMPTcpExt: 3 -4\n"
    assert kernel_counters.parse(text) == {"X": 3, "Y": -4}
    assert kernel_counters.parse("") == {}
    assert kernel_counters.grown({"X": 3, "Y": 9}, {"X": 5, "Y": 2, "Z": 0}) == {"X": 2, "Y": 2}
    assert kernel_counters.read(Path("/nonexistent")) == {}


@given(st.text(max_size=200))
def test_no_text_of_counters_raises(text: str) -> None:
    assert isinstance(kernel_counters.parse("MPTcpExt: " + text + "\nMPTcpExt: 1\n"), dict)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_caps_count_right_whatever_comes_and_goes(events: list[tuple[str, bool]]) -> None:
    caps = ConnectionCaps(all_max=5, netblock_max=2)
    model: list[str] = []
    for block, comes in events:
        if comes:
            allowed = len(model) < 5 and model.count(block) < 2
            assert caps.take(block) == allowed
            model += [block] * allowed
        elif block in model:
            model.remove(block)
            caps.release(block)
        assert caps.open_count == len(model)
        assert caps.open == {name: model.count(name) for name in set(model)}
