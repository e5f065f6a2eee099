"""Take a path of the lab away while a client runs, and give it back: a handover, on purpose.

Only ever an interface in the lab's own namespace: a card of a machine's own network is not ours to
switch off.  Everything that goes with an interface or an address (routes of every table, IPv6
addresses) is noted before and put back after, however the exchange ended.
"""

import errno
import ipaddress
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

from mptcp_guest import clock, messages
from mptcp_guest.inside import PROC_NET, inside
from mptcp_guest.lab import Lab
from mptcp_guest.naming import checked_name
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline, ends_within

LOOK_EVERY_S = 0.004
"""At 1 Gbit/s half a megabyte passes meanwhile."""

WITHIN_S = 20.0
"""For the ip commands of one step of a handover."""

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
        taking, giving_back = self._plan(Deadline.after(WITHIN_S))
        with _ready(self._lab, "take") as take, _ready(self._lab, "give-back") as give_back:
            if not inside(self._lab.namespace, self._has_crossed):
                return
            self.done["began_ns"] = clock.wall_ns()
            try:
                take.do(taking)
                self._over.wait(self._wanted["lasts_ms"] / 1000)
            finally:
                give_back.do(giving_back)
                self.done["ended_ns"] = clock.wall_ns()

    def _has_crossed(self) -> bool:
        """Wait in the lab's network until enough has crossed; false when the client ended first."""
        first = octets(PROC_NET.joinpath("dev").read_text())
        while not self._over.wait(LOOK_EVERY_S):
            self.done["after_bytes"] = octets(PROC_NET.joinpath("dev").read_text()) - first
            if self.done["after_bytes"] >= self._wanted["after_bytes"]:
                return True
        return False

    def _plan(self, until: Deadline) -> tuple[list[list[str]], list[list[str]]]:
        """Return the commands that take the path away and those that give it back."""
        name = checked_name(self._wanted["interface"])
        shown = json.loads(self._lab.succeed(self._lab.ip("-j", "address", "show", name), until))
        routes = []
        for version in ("-4", "-6"):
            words = ["-j", version, "route", "show", "table", "all", "dev", name]
            routes += json.loads(self._lab.succeed(self._lab.ip(*words), until) or "[]")
        taking = {
            "interface_down": lambda: [["link", "set", "dev", name, "down"]],
            "address_removed": lambda: list(removing(self._wanted["address"], name, shown)),
        }[self._wanted["upset"]]()
        return taking, list(giving_back(name, shown, routes))


class _Hands:
    """An ip that has started and waits for its commands: what it is told happens at once."""

    def __init__(self, lab: Lab, pipe: Path, child: Popen[bytes]) -> None:
        self._lab = lab
        self._pipe = pipe
        self._child = child

    def do(self, commands: Sequence[Sequence[str]]) -> None:
        """Do some commands and wait until all are done.

        Raises:
            RefusalError: They are not done in time.
        """
        until = Deadline.after(WITHIN_S)
        text = "".join(f"{' '.join(command)}\n" for command in commands).encode()
        descriptor = self._opened(until)
        try:
            os.write(descriptor, text)  # less than a pipe holds
        finally:
            os.close(descriptor)
        if not ends_within(self._child, until.left_s):
            raise RefusalError("deadline", f"ip did not end in {WITHIN_S:g} s")

    def _opened(self, until: Deadline) -> int:
        while True:
            try:
                return os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:  # nobody reads yet
                if error.errno != errno.ENXIO or not until.left_s or self._child.poll() is not None:
                    raise RefusalError("failed", "ip does not take its commands") from error
            time.sleep(LOOK_EVERY_S)


@contextmanager
def _ready(lab: Lab, name: str) -> Iterator[_Hands]:
    """Start an ip before it is needed: in an emulated machine a process takes its time."""
    pipe = lab.work_directory / f"handover-{name}"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    # what is there still cannot be added again (-force): only what is missing matters
    child = lab.start(lab.ip("-force", "-batch", str(pipe)))
    try:
        yield _Hands(lab, pipe, child)
    finally:
        lab.end(child, grace_s=0)
        pipe.unlink(missing_ok=True)


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


def giving_back(
    name: str, shown: Sequence[dict[str, Any]], routes: Iterable[dict[str, Any]]
) -> Iterator[list[str]]:
    """Give the commands that put an interface, its addresses and its routes back; PURE.

    Args:
        name: The interface.
        shown: What ``ip -j address show`` said of it before.
        routes: What ``ip -j route show table all`` said of it before, in both families.
    """
    device = ["dev", name]
    yield ["link", "set", *device, "up"]
    for local, prefix in addresses(shown):
        flags = ["nodad"] if ":" in local else []
        yield ["address", "replace", f"{local}/{prefix}", *device, *flags]
    for route in routes:
        if route.get("type", "unicast") in NOT_RESTORED or route.get("table") == "local":
            continue
        gateway = str(route["gateway"]) if "gateway" in route else ""
        to = str(route["dst"])
        if to == "default":  # it is told without a family
            to = "::/0" if ":" in gateway else "0.0.0.0/0"
        words = [to, *(["via", gateway] if gateway else []), *device]
        for key, word in (("table", "table"), ("metric", "metric"), ("prefsrc", "src")):
            words += [word, str(route[key])] if key in route else []
        yield ["route", "replace", *words]


def addresses(shown: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Give the global addresses of an interface with their prefix lengths; PURE."""
    for link in shown:
        for info in link.get("addr_info", []):
            if info.get("scope") == "global":
                yield str(info["local"]), int(info["prefixlen"])
