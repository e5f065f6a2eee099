"""Which network was measured, in words."""

from typing import Any

from mptcp_check.analysis.reporting.network_words import chip, sentences


def joint(parent: str, attached: str, *addresses: str) -> dict[str, Any]:
    return {"parent": parent, "attached": attached, "addresses": list(addresses)}


def document(network: str, machine: str, *client: dict[str, Any]) -> dict[str, Any]:
    return {
        "network": network,
        "machine": machine,
        "server": "ssh:box",
        "joints": {"client": client, "server": [joint("eth0", "own", "198.51.100.10/24")]},
        "notes": [],
    }


def test_the_embedded_network_is_never_taken_for_the_users() -> None:
    embedded = {"network": "embedded", "machine": "qemu", "server": "embedded"}
    assert "not the network you are on" in " ".join(sentences(embedded))
    assert "not yours" in chip(embedded)


def test_a_bridged_client_says_by_which_interfaces() -> None:
    cards = (joint("lan0", "macvlan"), joint("lan0", "macvlan"), joint("lan1", "macvlan"))
    said = " ".join(sentences(document("bridged", "host", *cards)))

    assert "this computer's own kernel" in said
    assert "to lan0 and lan1 by a card of its own (macvlan)" in said
    assert "198.51.100.10 (ssh:box)" in said
    assert "translated" not in said


def test_a_routed_client_says_that_its_own_computer_translated() -> None:
    said = " ".join(sentences(document("routed", "qemu", joint("wlan0", "routed"))))
    assert "translated their addresses (routed)" in said
    assert "a machine on this computer (qemu)" in said


def test_notes_are_sentences() -> None:
    with_note = {**document("bridged", "ssh:pi", joint("eth0", "own")), "notes": ["one address"]}
    assert list(sentences(with_note))[-1] == "One address."


def test_a_diagnosis_of_captures_alone_has_no_network() -> None:
    assert list(sentences({"outcome": "mptcp"})) == []
    assert chip({}) == ""
