"""A session at a measurement server, asked as the agent of an end is asked.

A server that many share is nobody's to configure: what an agent would set there, the operator has
set, and what an agent would read of the whole machine is read of the session's own connections.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mptcp_check.errors import ServerError
from mptcp_check.exchanges import proof
from mptcp_check.machines.measured_network import Answers
from mptcp_check.session_client import refusals
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.services import Services
from mptcp_guest.messages import (
    VERSION,
    CaptureFile,
    CaptureProgress,
    CaptureStarted,
    CaptureStartResult,
    CaptureStateResult,
    CaptureStopResult,
    ConfigureResult,
    CountersResult,
    Digest,
    Handshake,
    HelloResult,
    LabUpResult,
    MonitorResult,
    ReceivedResult,
    ServicesResult,
    ServiceState,
    ServiceWanted,
    SettleResult,
)

INTERFACE: Final = "server"
"""What the session's capture is called: it is of all the server's interfaces."""

DOWN_HINT: Final = "wait some minutes, or leave it out by --apps"

CLAIMS_AT_ONCE: Final = 64

EXPIRED: Final = "expired"
"""What a server says why a capture stopped whose session's time ran out."""

PATIENCE_S: Final = 15
"""How long a server program that is down is waited for."""

COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    proof.OPENED: ("from_server_count", "joins_from_server_count"),
    proof.CAPABLE_TRIED: ("from_server_capable_count",),
    proof.CAPABLE_ANSWERED: ("from_server_answered_count",),
    proof.JOINS_TRIED: ("joins_from_server_count",),
    proof.JOINS_ANSWERED: ("joins_from_server_answered_count",),
    proof.JOINS_COMPLETED: ("joins_from_client_completed_count",),
    "MPTcpExtMPCapableFallbackSYNACK": ("from_server_fallback_count",),
    "MPTcpExtMPCapableFallbackACK": ("from_client_fallback_count",),
}
"""The kernel's counter -> what the server counted of our connections alone that is the same."""


class SessionAgent:
    """`mptcp_check.machines.measured_network.Answers` of a session.

    Args:
        session: An open one.
        services: Its account and the servers.
        scratch: A folder for its capture.
        wall_ns: Reads this computer's clock, for answers that carry a time.
        pause: Waits some seconds.
    """

    def __init__(
        self,
        session: RemoteSession,
        services: Services,
        *,
        scratch: Path,
        wall_ns: Callable[[], int],
        pause: Callable[[float], None],
    ) -> None:
        self._session = session
        self._services = services
        self._scratch = scratch
        self._wall_ns = wall_ns
        self._pause = pause
        self._client: Answers | None = None
        self.shed_flow_count = 0
        """Unknown connections that the server gave up while it captured for us."""
        self._verbs: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
            "hello": lambda _: self._hello(),
            "lab_up": lambda _: LabUpResult(
                interfaces=[], sysctls={}, missing_sysctls=[], notes=[]
            ),
            "configure": lambda _: ConfigureResult(sysctls={}, limits="", endpoints=[]),
            "services_start": self._services_start,
            "offer": self._offer,
            "received": self._received,
            "discard": self._discard,
            "counters": lambda _: self._counters(),
            "settle": lambda _: self._settle(),
            # the path manager's events are of all users together
            "monitor": lambda _: MonitorResult(events=[], lost_count=0),
            "capture_start": lambda _: self._capture_start(),
            "capture_state": lambda _: self._capture_state(),
            "capture_stop": lambda _: self._capture_stop(),
        }

    def call(
        self,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        within_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask for a verb; each question has the session's own deadline.

        Raises:
            ServerError: The server refuses, or cannot be reached.
        """
        del within_s
        return self._verbs[verb](arguments or {})

    def meet(self, client: Answers) -> None:
        """Take note of who can tell which connections are ours."""
        self._client = client

    def fetch(self, file: CaptureFile) -> bytes:
        """Bring the stopped capture here.

        Raises:
            ServerError: It is not what the server says it is.
        """
        path = self._scratch / f"{file['interface']}.pcapng"
        self._session.fetch_capture(path)
        return path.read_bytes()

    def _hello(self) -> HelloResult:
        services = self._services
        return HelloResult(
            agent_version=VERSION,
            kernel=services.kernel,
            machine=services.machine,
            python="",
            tools=dict(services.tools),
            work_directory="",
            wall_ns=self._wall_ns(),
            user_id=-1,
            mptcp=True,
        )

    def _services_start(self, asked: Mapping[str, Any]) -> ServicesResult:
        """See that what is wanted is there: it runs already, for everybody.

        One that has just crashed is given the time to come back.
        """
        wanted: Sequence[ServiceWanted] = asked["services"]
        by_ssh = any(one["service"] == "ssh" for one in wanted)
        key: str = asked["ssh_client_key"] if by_ssh else ""
        missing = _missing(wanted, self._session.open_services(ssh_client_key=key))
        for _ in range(PATIENCE_S):
            if missing is None:
                break
            self._pause(1)
            missing = _missing(wanted, self._session.open_services())
        if missing is not None:
            url = self._session.connection.server.url
            raise ServerError(
                f"{missing['service']} at port {missing['port']} of {url} does not run now",
                hint=DOWN_HINT,
            )
        return ServicesResult(
            services=[
                ServiceState(
                    name=f"{one['service']} {one['transport']} {one['port']}",
                    service=one["service"],
                    transport=one["transport"],
                    address=one["address"],
                    port=one["port"],
                    alive=True,
                    exit_code=None,
                    log_tail="",
                )
                for one in wanted
            ]
        )

    def _offer(self, asked: Mapping[str, Any]) -> Digest:
        return self._session.offer(asked["service"], asked["name"], asked["content"])

    def _received(self, asked: Mapping[str, Any]) -> ReceivedResult:
        return ReceivedResult(received=self._session.received(asked["service"], asked["name"]))

    def _discard(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._session.discard(asked["service"], asked["name"])
        return {}

    def _counters(self) -> CountersResult:
        said = self._session.handshakes()
        return CountersResult(
            time_ns=self._wall_ns(),
            counters={
                name: sum(said.get(part, 0) for part in parts) for name, parts in COUNTED.items()
            },
        )

    def _settle(self) -> SettleResult:
        """Tell the server which connections were ours, also those that could not say it.

        Whether they are at rest there, our own end's kernel knows as well.
        """
        if self._client is not None:
            found: list[Handshake] = self._client.call("capture_handshakes")["handshakes"]
            for start in range(0, len(found), CLAIMS_AT_ONCE):
                self._session.claim([_claim(one) for one in found[start : start + CLAIMS_AT_ONCE]])
        return SettleResult(quiet=True, left=[])

    def _capture_start(self) -> CaptureStartResult:
        self._session.start_capture()
        return CaptureStartResult(captures=[CaptureStarted(interface=INTERFACE, path="")])

    def _capture_state(self) -> CaptureStateResult:
        said = self._session.capture()
        if said.get("because") == EXPIRED:  # as whatever else was asked now would be told
            words, hint = refusals.told("session-ended", "")
            raise ServerError(f"{self._session.connection.server.url} {words}", hint=hint)
        return CaptureStateResult(
            captures=[
                CaptureProgress(
                    interface=INTERFACE,
                    alive=said.get("running") is True,
                    bytes=_count(said, "file_bytes"),
                    problem=problem_of(said) or None,
                )
            ],
            free_bytes=0,
        )

    def _capture_stop(self) -> CaptureStopResult:
        said = self._session.stop_capture()
        self.shed_flow_count = _count(said, "shed_flow_count")
        packets, missed = _count(said, "packet_count"), _count(said, "missed_packet_count")
        return CaptureStopResult(
            captures=[
                CaptureFile(
                    interface=INTERFACE,
                    path="",
                    bytes=_count(said, "file_bytes"),
                    sha256=str(said.get("sha256", "")),
                    packet_count=packets,
                    captured_count=packets,
                    received_count=packets + missed,
                    dropped_count=_count(said, "ring_dropped_count"),
                    interface_dropped_count=None,
                    problem=problem_of(said) or None,
                )
            ]
        )


def _missing(wanted: Sequence[ServiceWanted], services: Services) -> ServiceWanted | None:
    alive = {(p.service, p.transport, p.port) for p in services.programs if p.alive}
    return next(
        (one for one in wanted if (one["service"], one["transport"], one["port"]) not in alive),
        None,
    )


def problem_of(said: Mapping[str, Any]) -> str:
    """Say why a server's capture is not the whole truth; empty when it is.  PURE.

    Connections that were given up as unknown are no such reason by themselves: a flood of SYNs,
    which any server has now and then, is made of those that never become anybody's.
    """
    lost = _count(said, "ring_dropped_count")
    missed = _count(said, "missed_packet_count")
    reasons = {
        "bytes": "the session's share of bytes was used up",
        "packets": "the session's share of packets was used up",
        "flows": "the session had too many connections",
        "disk_full": "the server's disk was full",
    }
    truncated = str(said.get("truncated") or "")
    if truncated:
        return f"{reasons.get(truncated, 'it was cut off')}, {missed} packets are missing"
    if said.get("because") == EXPIRED:
        return "the session's time ran out before its capture was stopped"
    if said.get("interruptions"):
        return "the server's capture service was restarted meanwhile"
    if lost:
        return f"the server's kernel dropped {lost} packets of all its users"
    return f"{missed} packets are missing" if missed else ""


def _claim(handshake: Handshake) -> dict[str, Any]:
    key = handshake["responder_key"]
    return {
        "client_isn": handshake["initiator_isn"],
        "server_isn": handshake["responder_isn"],
        **({"server_key": key} if key else {}),
    }


def _count(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if type(value) is int else 0
