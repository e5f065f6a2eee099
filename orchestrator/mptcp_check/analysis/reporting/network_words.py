"""Which network a run measured and how its client was joined to it, in plain words; pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

EMBEDDED: Final = (
    "This was the program's own small network inside this computer, not the network you are on."
)

CHIPS: Final[Mapping[str, str]] = {
    "embedded": "the tool's own small network, not yours",
    "bridged": "a real network, bridged",
    "routed": "a real network, routed through this client's kernel",
}
"""By the document's ``network``."""

_HOW: Final[Mapping[str, str]] = {
    "bridge": "by a bridge",
    "macvlan": "by a card of its own (macvlan)",
    "macvtap": "by a card of its own (macvtap)",
    "own": "as the computer that it is",
    "routed": "through the kernel, routed",
    "tap": "by your tap",
    "vmnet_bridged": "bridged by vmnet",
    "vmnet_shared": "routed by vmnet",
}
"""By how an interface is attached."""

_TRANSLATED: Final = (
    "The client's own computer forwarded the packets and translated their addresses (routed); it"
    " changes nothing else, and what the report says of translated addresses may be its doing."
)


def sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Give the sentences that say what was measured; none for a diagnosis of captures alone.

    Args:
        document: ``mptcp-check.run/1``.
    """
    network = document.get("network")
    if network is None:
        return
    if network == "embedded":
        yield EMBEDDED
    else:
        yield (
            f"This was the real network between {_client(str(document['machine']))},"
            f" joined {_joined(document)}, and the measurement server at {_server(document)}."
        )
    if network == "routed":
        yield _TRANSLATED
    yield from (_sentence(note) for note in document.get("notes", ()))


def chip(document: Mapping[str, Any]) -> str:
    """Return the few words for the head of the report; nothing where no network was measured."""
    return CHIPS.get(str(document.get("network", "")), "")


def _client(machine: str) -> str:
    if machine == "host":
        return "this computer's own kernel"
    if machine.startswith("ssh:"):
        return f"the computer {machine.removeprefix('ssh:')}"
    return f"a machine on this computer ({machine})"


def _joined(document: Mapping[str, Any]) -> str:
    ways: dict[str, list[str]] = {}
    for joint in document["joints"]["client"]:
        parents = ways.setdefault(joint["attached"], [])
        if joint["parent"] not in parents:
            parents.append(joint["parent"])
    said = [
        f"to {' and '.join(parents)} {_HOW.get(attached, f'by {attached}')}"
        for attached, parents in ways.items()
    ]
    return " and ".join(said)


def _server(document: Mapping[str, Any]) -> str:
    addresses = [
        address.partition("/")[0]
        for joint in document["joints"]["server"]
        for address in joint["addresses"]
    ]
    where = str(document["server"])
    return f"{', '.join(addresses)} ({where})" if addresses else where


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"
