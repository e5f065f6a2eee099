"""Take a path of the lab away while a client runs, and give it back: a handover, on purpose.

Only ever an interface in the lab's own namespace: a card of a machine's own network is not ours to
switch off.  Everything that goes with an interface or an address (routes of every table, IPv6
addresses) is noted before and put back after, however the exchange ended.
"""

import ipaddress
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mptcp_guest import clock, messages
from mptcp_guest.inside import PROC_NET, inside
from mptcp_guest.lab import Lab
from mptcp_guest.naming import checked_name
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline

LOOK_EVERY_S = 0.004
"""At 1 Gbit/s half a megabyte passes meanwhile."""

WITHIN_S = 20.0
"""For all ip commands of one handover."""

NOT_RESTORED = frozenset({"local", "broadcast", "multicast", "unreachable"})
"""Types of routes that the kernel makes by itself."""


class Acting:
    """One handover: waits for its moment, acts, waits, undoes; in a thread beside the client."""

    def __init__(self, lab: Lab, wanted: messages.HandoverWanted) -> None:
        self._lab = lab
        self._wanted = wanted
        self._over = threading.Event()
        self.done = messages.HandoverDone(began_ns=0, ended_ns=0, after_bytes=0, problem="")
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to watch how much crosses."""
        self._thread.start()

    def finish(self) -> None:
        """The client has ended: act no more, and return once everything is as before."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._act()
        except (RefusalError, OSError) as error:
            self.done["problem"] = str(error)

    def _act(self) -> None:
        until = Deadline.after(WITHIN_S)
        taking, restoring = self._plan(until)
        if not inside(self._lab.namespace, self._has_crossed):
            return
        self.done["began_ns"] = clock.wall_ns()
        try:
            self._ip(taking, "-force")
            self._over.wait(self._wanted["lasts_ms"] / 1000)
        finally:
            for family, commands in restoring:
                self._ip(commands, "-force", family)
            self.done["ended_ns"] = clock.wall_ns()

    def _has_crossed(self) -> bool:
        """Wait in the lab's network until enough has crossed; false when the client ended first."""
        first = octets(PROC_NET.joinpath("dev").read_text())
        while not self._over.wait(LOOK_EVERY_S):
            self.done["after_bytes"] = octets(PROC_NET.joinpath("dev").read_text()) - first
            if self.done["after_bytes"] >= self._wanted["after_bytes"]:
                return True
        return False

    def _plan(
        self, until: Deadline
    ) -> tuple[list[list[str]], list[tuple[str, list[list[str]]]]]:
        """Return the commands that take the path away and, by family, those that give it back."""
        name = checked_name(self._wanted["interface"])
        shown = json.loads(self._lab.succeed(self._lab.ip("-j", "address", "show", name), until))
        routes = {
            version: json.loads(
                self._lab.succeed(
                    self._lab.ip("-j", f"-{version}", "route", "show", "table", "all", "dev", name),
                    until,
                )
            )
            for version in (4, 6)
        }
        taking = {
            "interface_down": lambda: [["link", "set", "dev", name, "down"]],
            "address_removed": lambda: list(removing(self._wanted["address"], name, shown)),
        }[self._wanted["upset"]]()
        return taking, [
            ("-0", [["link", "set", "dev", name, "up"]]),
            *((f"-{version}", list(giving(name, shown, routes[version], version)))
              for version in (4, 6)),
        ]

    def _ip(self, commands: Sequence[Sequence[str]], *words: str) -> None:
        batch = self._lab.work_directory / "handover-commands"
        batch.write_text("".join(f"{' '.join(command)}\n" for command in commands))
        # what is there still cannot be added again: only what is missing matters
        self._lab.run(self._lab.ip(*words, "-batch", str(batch)), Deadline.after(WITHIN_S))


@contextmanager
def acting(lab: Lab, wanted: messages.HandoverWanted | None) -> Iterator[Acting | None]:
    """Do a handover while the caller runs a client; without one do nothing.

    Raises:
        RefusalError: The lab is a machine's own network.
    """
    if wanted is None:
        yield None
        return
    if lab.own_network or lab.namespace is None:
        raise RefusalError(
            "bad_arguments", "a handover takes a card away, and a machine's own are not the lab's"
        )
    act = Acting(lab, wanted)
    act.start()
    try:
        yield act
    finally:
        act.finish()


def octets(text: str) -> int:
    """Return how many bytes all interfaces but the loopback received and sent; PURE.

    Args:
        text: ``/proc/net/dev`` (proc(5)).
    """
    total = 0
    for line in text.splitlines():
        name, colon, numbers = line.partition(":")
        words = numbers.split()
        if colon and name.strip() != "lo" and len(words) > 8 and words[0].isdigit():  # noqa: PLR2004 - received first, sent ninth
            total += int(words[0]) + int(words[8])
    return total


def removing(address: str, name: str, shown: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    """Give the commands by which a host gives an address up; PURE.

    The path manager is told first, as NetworkManager and mptcpd do: the peer gets a REMOVE_ADDR.

    Args:
        address: Without prefix length.
        name: The interface.
        shown: What ``ip -j address show`` says of it.

    Raises:
        RefusalError: The interface has no such address.
    """
    wanted = ipaddress.ip_address(address)
    for local, prefix in addresses(shown):
        if ipaddress.ip_address(local) == wanted:
            yield ["mptcp", "endpoint", "delete", "id", "0", local]
            yield ["address", "delete", f"{local}/{prefix}", "dev", name]
            return
    raise RefusalError("bad_arguments", f"{name} has no address {address}")


def giving(
    name: str, shown: Sequence[dict[str, Any]], routes: Iterable[dict[str, Any]], version: int
) -> Iterator[list[str]]:
    """Give the commands that put an interface's addresses and routes of a family back; PURE.

    Args:
        name: The interface.
        shown: What ``ip -j address show`` said of it before.
        routes: What ``ip -j route show table all`` said of it before.
        version: 4 or 6.
    """
    device = ["dev", name]
    for local, prefix in addresses(shown):
        if ipaddress.ip_address(local).version == version:
            flags = ["nodad"] if version == 6 else []  # noqa: PLR2004 - the family's name
            yield ["address", "replace", f"{local}/{prefix}", *device, *flags]
    for route in routes:
        if route.get("type", "unicast") in NOT_RESTORED or route.get("table") == "local":
            continue
        via = ["via", str(route["gateway"])] if "gateway" in route else []
        metric = ["metric", str(route["metric"])] if "metric" in route else []
        table = ["table", str(route["table"])] if "table" in route else []
        source = ["src", str(route["prefsrc"])] if "prefsrc" in route else []
        yield ["route", "replace", str(route["dst"]), *via, *device, *table, *metric, *source]


def addresses(shown: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Give the global addresses of an interface with their prefix lengths; PURE."""
    for link in shown:
        for info in link.get("addr_info", []):
            if info.get("scope") == "global":
                yield str(info["local"]), int(info["prefixlen"])
