"""The guest agent seen from here: verbs out, checked results in, never without a deadline."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mptcp_check.errors import MachineError
from mptcp_check.exchanges import guest_api
from mptcp_guest.verbs import VERBS

LOOK_S = 0.5
"""How long one wait for bytes lasts before the machine's life is checked again."""

GRACE_S = 10.0
"""Time for an answer on its way after the agent's own deadline."""

PATIENCE_S = 15.0
"""How long to wait for a machine's end to show, once its connection broke: who keeps it is another
process, and a busy computer may let that wait."""

READ_BYTES = 65536


class Channel(Protocol):
    """What the agent's line needs of an ssh channel (`paramiko.Channel`)."""

    def settimeout(self, timeout: float) -> None:
        """Set how long `recv` waits."""

    def sendall(self, data: bytes) -> None:
        """Send everything; raises OSError, or EOFError, when nobody is there any more."""

    def recv(self, nbytes: int) -> bytes:
        """Return some bytes; none at the end; raises TimeoutError."""

    def close(self) -> None:
        """Hang up: the agent ends all it started."""


class Agent:
    """One agent in one guest; a call waits for its answer."""

    def __init__(
        self,
        channel: Channel,
        *,
        machine: str,
        check_alive: Callable[[float], None],
        now_ns: Callable[[], int],
    ) -> None:
        self.machine = machine
        self._channel = channel
        self._check_alive = check_alive
        self._now_ns = now_ns
        self._numbers = itertools.count(1)
        self._rest = b""
        self._turn = threading.Lock()
        self._sending = threading.Lock()
        channel.settimeout(LOOK_S)

    def call(
        self,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        within_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - checked against `VERBS[verb].result`
        """Ask the agent for a verb of `mptcp_guest.messages.VERBS` and return its result.

        Raises:
            GuestError: The agent said no.
            MachineError: The machine ended, or nothing came back in time.
        """
        deadline_s = within_s if within_s is not None else VERBS[verb].deadline_s
        with self._turn:
            number = next(self._numbers)
            line = guest_api.request_line(number, verb, arguments, within_s=within_s)
            try:
                with self._sending:
                    self._channel.sendall(line)
                answer = self._line(verb, self._now_ns() + int((deadline_s + GRACE_S) * 1e9))
            except TimeoutError:
                raise self._silent(verb) from None
            except (OSError, EOFError) as e:  # paramiko has both for it
                self._check_alive(PATIENCE_S)
                words = str(e) or "it was closed"
                raise MachineError(
                    f"{self.machine}: {verb}: the connection broke: {words}"
                ) from None
        return guest_api.result_of(answer, number=number, verb=verb, machine=self.machine)

    def sign_of_life(self) -> None:
        """Tell the agent's watchdog that we are here, also while a call waits; never fails.

        A machine that is gone is noticed by the next call, which has words for it.
        """
        with contextlib.suppress(OSError, EOFError), self._sending:
            self._channel.sendall(b"\n")

    def close(self) -> None:
        """Hang up; the agent stops everything it started.  Never fails: it may be gone already."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.close()

    def _line(self, verb: str, deadline_ns: int) -> bytes:
        while b"\n" not in self._rest:
            if self._now_ns() > deadline_ns or len(self._rest) > guest_api.RESPONSE_LIMIT_BYTES:
                raise self._silent(verb)
            try:
                read = self._channel.recv(READ_BYTES)
            except TimeoutError:
                self._check_alive(0.0)
                continue
            if not read:
                self._check_alive(PATIENCE_S)
                raise MachineError(
                    f"{self.machine}: the program in the guest ended during '{verb}'",
                    hint="see the machine's console in the run's logs",
                )
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _silent(self, verb: str) -> MachineError:
        return MachineError(
            f"{self.machine}: no answer to '{verb}' in time",
            hint="the computer may be overloaded; start the run again",
        )
