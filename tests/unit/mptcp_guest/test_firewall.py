import subprocess
from pathlib import Path

import pytest

from mptcp_guest.firewall import lock, ruleset
from mptcp_guest.lab import Lab
from mptcp_guest.messages import Firewall
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline, Stop

SERVERS = ["198.51.100.10", "2001:db8::10", "198.51.100.10"]
FIREWALL = Firewall(servers=SERVERS, resolvers=["192.0.2.53"], time_servers=["2001:db8::123"])
NOBODY = Firewall(servers=[], resolvers=[], time_servers=[])


def chain(name: str, firewall: Firewall = FIREWALL) -> list[str]:
    text = ruleset(firewall).partition(f"chain {name} {{")[2].partition("\n }")[0]
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("name", ["inbound", "outbound", "passing"])
def test_what_no_rule_lets_through_is_dropped(name: str) -> None:
    assert "policy drop;" in chain(name)[0]


def test_connections_from_servers_come_in_at_clients_ports_only() -> None:
    rules = chain("inbound")
    assert "ip saddr @servers4 tcp dport 32768-60999 accept" in rules
    assert "ip6 saddr @servers6 tcp dport 32768-60999 accept" in rules
    assert [r for r in rules if "tcp" in r and "@servers" not in r] == []


def test_what_servers_and_machine_say_to_each_other_is_not_tracked() -> None:
    assert "meta l4proto tcp ip saddr @servers4 notrack" in chain("untracked_in")
    assert "meta l4proto tcp ip6 daddr @servers6 notrack" in chain("untracked_out")


def test_addresses_are_sorted_into_the_sets_of_their_families() -> None:
    text = ruleset(FIREWALL)
    assert "set servers4 { type ipv4_addr; elements = { 198.51.100.10 }; }" in text
    assert "set servers6 { type ipv6_addr; elements = { 2001:db8::10 }; }" in text
    assert "set resolvers6 { type ipv6_addr; }" in text


@pytest.mark.parametrize("text", ["measure.example", "198.51.100.0/24", "1; accept", ""])
def test_what_is_no_address_does_not_become_a_rule(text: str) -> None:
    with pytest.raises(RefusalError, match="is not an address"):
        ruleset(Firewall(servers=[text], resolvers=[], time_servers=[]))


@pytest.mark.parametrize("firewall", [FIREWALL, NOBODY])
def test_nft_takes_the_rules(firewall: Firewall, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text(ruleset(firewall))
    # a network namespace of its own: what is checked is also asked of the kernel
    checked = subprocess.run(
        ["unshare", "--net", "--user", "--map-root-user", "nft", "--check", "-f", rules],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_machines_own_network_is_never_locked(tmp_path: Path) -> None:
    lab = Lab(work_directory=tmp_path, stop=Stop())
    with pytest.raises(RefusalError, match="no lab"):
        lock(lab, FIREWALL, Deadline.after(5))
    assert list(tmp_path.iterdir()) == []
