"""What one netblock, one session and all together may have."""

from pathlib import Path

from measurement_server import START_NS, parts, problem, wish


def test_a_netblock_has_its_share_of_sessions_and_others_have_theirs(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsessions_at_once = 2") as server:
        first = [server.session(server.client(f"192.0.2.{n}")) for n in (1, 200)]
        refused = server.client("192.0.2.77").post("/v1/sessions", json=wish())
        assert problem(refused) == "too-many-sessions"
        assert int(refused.headers["retry-after"]) > 0
        server.session(server.client("192.0.3.77"))
        # IPv4 mapped into IPv6 is no second allowance
        mapped = server.client("::ffff:192.0.2.9").post("/v1/sessions", json=wish())
        assert problem(mapped) == "too-many-sessions"
        first[0].post("/finish")
        server.session(server.client("192.0.2.77"))


def test_an_ipv6_customer_with_many_networks_has_one_share(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsessions_at_once = 1") as server:
        server.session(server.client("2001:db8:0:a1::1"))
        again = server.client("2001:db8:0:a2::1").post("/v1/sessions", json=wish())
        assert problem(again) == "too-many-sessions"
        server.session(server.client("2001:db8:0:b001::1"))


def test_sessions_of_an_hour_are_counted_also_those_that_ended(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsessions_per_hour = 3") as server:
        for _ in range(3):
            server.session(server.client()).post("/finish")
        answer = server.client().post("/v1/sessions", json=wish())
        assert problem(answer) == "too-many-requests"
        server.clock.forward(3601)
        server.session(server.client())


def test_seconds_of_sessions_are_counted(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nsession_s_per_hour = 100") as server:
        held = server.session(server.client())
        server.clock.forward(99)
        held.post("/finish")
        server.session(server.client())
        server.clock.forward(1)
        answer = server.client().post("/v1/sessions", json=wish())
        assert problem(answer) == "allowance-used"


def test_captured_bytes_are_counted_and_the_last_capture_gets_what_is_left(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\ncaptured_bytes_per_hour = 5000") as server:
        server.captures.octets = bytes(4000)
        first, second, third = (server.session(server.client()) for _ in range(3))
        for held in (first, second):
            held.post("/capture/start")
            held.post("/capture/stop")
        assert [order.bytes_max for order in server.captures.orders] == [5000, 1000]
        assert problem(third.post("/capture/start")) == "allowance-used"


def test_fetched_bytes_are_counted_as_they_were_sent(tmp_path: Path) -> None:
    with parts(tmp_path, "[netblocks]\nfetched_bytes_per_hour = 10000") as server:
        server.captures.octets = bytes(4500)
        held = server.session(server.client())
        held.post("/capture/start")
        held.post("/capture/stop")
        assert held.get("/capture/file", headers={"range": "bytes=0-99"}).status_code == 206
        assert held.get("/capture/file").status_code == 200
        assert held.get("/capture/file").status_code == 200
        assert problem(held.get("/capture/file")) == "allowance-used"
        assert server.sessions.store.used("192.0.2.0/24", now_ns=START_NS)[1] == 9100


def test_a_full_server_and_a_lame_duck_say_so_and_keep_what_they_have(tmp_path: Path) -> None:
    limits = "[sessions]\nat_once = 1\n[netblocks]\nsessions_at_once = 1"
    with parts(tmp_path, limits) as server:
        held = server.session(server.client("192.0.2.1"))
        refused = server.client("198.51.100.1").post("/v1/sessions", json=wish())
        assert problem(refused) == "server-full"
        server.sessions.lame_duck = lambda: True
        refused = server.client("198.51.100.1").post("/v1/sessions", json=wish())
        assert problem(refused) == "lame-duck"
        assert server.client().get("/v1/health").json()["status"] == "lame-duck"
        assert held.post("/capture/start").status_code == 200
        assert held.post("/finish").status_code == 200
