"""The life of sessions: created with a ticket, used, ended by their user or by the clock."""

import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mptcp_check import netblock
from mptcp_check.server import admission, kernel_counters, marker, ticket
from mptcp_check.server.address_log import AddressLog
from mptcp_check.server.admission import Use
from mptcp_check.server.capture.handshakes import Handshakes
from mptcp_check.server.capture.service import CaptureService, Claim, Order
from mptcp_check.server.capture.summary import Summary
from mptcp_check.server.configuration import Configuration
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.service import Account, FileDigest, ServiceHost, ServicesState
from mptcp_check.server.session import CaptureState, End, Session
from mptcp_check.server.store import HOUR_NS, Store
from mptcp_guest.messages import Content

_NS: Final = 10**9
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A new session and what its user needs."""

    session: Session
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCount:
    """What the kernel counted while a session was open."""

    counters: dict[str, int]
    alone: bool
    """Whether no other session was open at any time: then it is all this one's."""


@dataclass(slots=True, kw_only=True)
class Sessions:
    """All sessions of a server; every method may be called from any thread."""

    configuration: Configuration
    store: Store
    captures: CaptureService
    services: ServiceHost
    key: Ed25519PrivateKey
    wall_ns: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    read_counters: Callable[[], dict[str, int]]
    address_log: AddressLog
    lame_duck: Callable[[], bool] = lambda: False
    """Says whether nothing new shall begin, while what runs goes on to its end."""
    refused: dict[str, int] = field(default_factory=dict)
    """Names of problems -> how many new sessions were refused by them."""
    created_count: int = 0

    def create(self, run_id: str, address: str) -> Created:
        """Begin a session for whoever is at an address.

        Raises:
            ProblemError: It is refused.
        """
        try:
            created = self._create(run_id, self._netblock(address))
        except ProblemError as e:
            self.refused[e.problem.name] = self.refused.get(e.problem.name, 0) + 1
            self.address_log.note(address, f"refused: {e.problem.name}", now_ns=self.wall_ns())
            raise
        self.created_count += 1
        what = f"session {created.session.id} of run {run_id}"
        self.address_log.note(address, what, now_ns=created.session.created_ns)
        return created

    def _create(self, run_id: str, block: str) -> Created:
        if self.lame_duck():
            raise ProblemError("lame-duck")
        now_ns = self.wall_ns()
        nonce = self.random_bytes(marker.NONCE_BYTES).hex()
        expires_ns = now_ns + self.configuration.tickets.session_s * _NS
        counters = json.dumps(self.read_counters())
        with self.store.transaction():
            open_count = self.store.open_count()
            admission.admit(self.configuration, self._use(block, now_ns), all_open_count=open_count)
            session = Session(
                id=self.random_bytes(_ID_BYTES).hex(),
                run_id=run_id,
                nonce=nonce,
                netblock=block,
                created_ns=now_ns,
                expires_ns=expires_ns,
                collect_until_ns=expires_ns + self.configuration.tickets.collect_s * _NS,
                ended_ns=None,
                end=End.OPEN,
                capture=CaptureState.NONE,
                kernel_counters=counters,
                alone=open_count == 0,
            )
            self.store.add(session)
        return Created(session=session, token=ticket.sign(self._ticket(session), self.key))

    def verified(self, token: str, session_id: str) -> Session:
        """Return the session that a token stands for.

        Raises:
            ProblemError: The token does not hold, or is for another session, or there is none.
        """
        said = ticket.verify(
            token,
            self.key.public_key(),
            server_id=self.configuration.server.id,
            now_ns=self.wall_ns(),
            leeway_ns=self.configuration.tickets.leeway_s * _NS,
        )
        if said.session_id != session_id:
            raise ProblemError("ticket-of-another-session")
        return self.found(session_id)

    def found(self, session_id: str) -> Session:
        """Return a session; one whose time ran out is ended before it is returned.

        Raises:
            ProblemError: ``session-unknown``.
        """
        session = self.store.find(session_id)
        if session is None:
            raise ProblemError("session-unknown")
        if session.open and session.expires_ns <= self.wall_ns():
            return self.end(session, End.EXPIRED)
        return session

    def end(self, session: Session, why: End) -> Session:
        """End a session with its capture; one that has ended stays as it is."""
        if session.open:
            # The record first: if the capture cannot be stopped now, `tidy` will do it.
            self.store.end(
                session.id,
                why,
                at_ns=min(self.wall_ns(), max(session.expires_ns, session.created_ns)),
                collect_until_ns=session.collect_until_ns,
            )
            with contextlib.suppress(ProblemError):  # it has the time of its end, too
                self.services.close(_marker(session))
        if session.capture is CaptureState.RUNNING:
            self.stop_capture(session, because="stopped" if why is End.FINISHED else "expired")
        return self.store.find(session.id) or session

    def delete(self, session: Session) -> None:
        """End a session and remove what was captured; its record stays for the caps."""
        self.end(session, End.FINISHED)
        self.captures.forget(session.id)
        self.store.set_capture(session.id, CaptureState.NONE)

    def start_capture(self, session: Session) -> Summary:
        """Start the capture of an open session; nothing changes if it runs.

        Raises:
            ProblemError: The session or its capture is over, or there is no room or allowance.
        """
        if not session.open:
            raise ProblemError("session-ended")
        if session.capture is CaptureState.STOPPED:
            raise ProblemError("capture-ended")
        use = self._use(session.netblock, self.wall_ns())
        order = Order(
            session_id=session.id,
            marker=_marker(session),
            bytes_max=admission.capture_allowance(self.configuration, use),
            packets_max=self.configuration.capture.session_packets,
            until_ns=session.expires_ns,
        )
        summary = self.captures.start(order)
        self.store.set_capture(session.id, CaptureState.RUNNING)
        return summary

    def stop_capture(self, session: Session, *, because: str = "stopped") -> Summary:
        """Stop a session's capture; one that was stopped stays as it is.

        Raises:
            ProblemError: ``capture-missing``, ``capture-unavailable``.
        """
        if session.capture is CaptureState.NONE:
            raise ProblemError("capture-missing")
        summary = self.captures.stop(session.id, because=because)
        if summary is None:
            raise ProblemError("capture-missing")
        with self.store.transaction():
            now = self.store.find(session.id)
            if now is not None and now.capture is CaptureState.RUNNING:  # once, whoever else stops
                self.store.set_capture(session.id, CaptureState.STOPPED)
                self.store.add_use(
                    session.netblock, now_ns=self.wall_ns(), captured_bytes=summary.file_bytes
                )
        return summary

    def capture(self, session: Session) -> Summary:
        """Return how far a session's capture is.

        Raises:
            ProblemError: ``capture-missing``, ``capture-unavailable``.
        """
        if session.capture is CaptureState.NONE:
            raise ProblemError("capture-missing")
        summary = self.captures.summary(session.id)
        if summary is None:
            raise ProblemError("capture-missing")
        return summary

    def claim(self, session: Session, claims: Sequence[Claim]) -> int:
        """Take connections into a session's running capture; return how many were found by now.

        Raises:
            ProblemError: Nothing runs that they could go to.
        """
        if session.capture is not CaptureState.RUNNING or not session.open:
            raise ProblemError("capture-missing" if session.open else "session-ended")
        return self.captures.claim(session.id, claims)

    def handshakes(self, session: Session) -> Handshakes:
        """Return how a session's connections were opened, while its capture runs.

        Raises:
            ProblemError: ``capture-missing``, ``capture-unavailable``, ``session-ended``.
        """
        if session.capture is not CaptureState.RUNNING or not session.open:
            raise ProblemError("capture-missing" if session.open else "session-ended")
        return self.captures.handshakes(session.id)

    def open_services(
        self, session: Session, *, ssh_client_key: str = ""
    ) -> tuple[Account, ServicesState]:
        """Make an open session's folder and account at the services; again gives the same.

        Raises:
            ProblemError: ``session-ended``, ``services-unavailable``, ``disk-full``.
        """
        if not session.open:
            raise ProblemError("session-ended")
        account = self.services.open(
            _marker(session), until_ns=session.expires_ns, ssh_client_key=ssh_client_key
        )
        return account, self.services.state()

    def offer(self, session: Session, service: str, name: str, content: Content) -> FileDigest:
        """Make a content ready for an open session.

        Raises:
            ProblemError: It may not, or there is no room.
        """
        if not session.open:
            raise ProblemError("session-ended")
        return self.services.offer(_marker(session), service, name, content)

    def received(self, session: Session, service: str, name: str) -> FileDigest | None:
        """Return what a session sent to a service; none if nothing came.

        Raises:
            ProblemError: ``session-ended``, ``services-unavailable``.
        """
        if not session.open:
            raise ProblemError("session-ended")
        return self.services.received(_marker(session), service, name)

    def discard(self, session: Session, service: str, name: str) -> None:
        """Forget what a service has under a name.

        Raises:
            ProblemError: ``session-ended``, ``services-unavailable``.
        """
        if not session.open:
            raise ProblemError("session-ended")
        self.services.discard(_marker(session), service, name)

    def may_fetch(self, address: str, *, size_bytes: int) -> None:
        """See whether a capture of this size may be fetched from an address.

        Raises:
            ProblemError: ``allowance-used``.
        """
        use = self._use(self._netblock(address), self.wall_ns())
        admission.fetch(self.configuration, use, size_bytes=size_bytes)

    def fetched(self, address: str, *, sent_bytes: int) -> None:
        """Count what was fetched from an address."""
        block = self._netblock(address)
        self.store.add_use(block, now_ns=self.wall_ns(), fetched_bytes=sent_bytes)

    def kernel_count(self, session: Session) -> KernelCount:
        """Return what the kernel counted since a session began."""
        before: dict[str, int] = json.loads(session.kernel_counters)
        return KernelCount(
            counters=kernel_counters.grown(before, self.read_counters()), alone=session.alone
        )

    def tidy(self) -> None:
        """End what is overdue, stop what a crash left, remove what is kept long enough."""
        now_ns = self.wall_ns()
        for session in self.store.overdue(now_ns):
            self._quietly(session, End.EXPIRED)
        for session in self.store.unfinished_captures():
            self._quietly(session, session.end)
        kept = self.configuration.retention
        for session in self.store.captures_kept_before(now_ns - kept.captures_s * _NS):
            self.captures.forget(session.id)
            self.store.set_capture(session.id, CaptureState.NONE)
        for session in self.store.ended_before(now_ns - kept.sessions_s * _NS):
            self.store.forget(session.id)
        self.store.forget_use_before(now_ns - 2 * HOUR_NS)
        self.address_log.tidy(now_ns=now_ns)

    def _quietly(self, session: Session, why: End) -> None:
        try:
            self.end(session, why)
        except ProblemError:
            return  # the capture service is away: the next round comes soon

    def _netblock(self, address: str) -> str:
        caps = self.configuration.netblocks
        return netblock.netblock(address, ipv4_bits=caps.ipv4_bits, ipv6_bits=caps.ipv6_bits)

    def _use(self, block: str, now_ns: int) -> Use:
        captured, fetched = self.store.used(block, now_ns=now_ns)
        since_ns = now_ns - HOUR_NS
        return Use(
            open_count=self.store.open_count(block),
            created_count=self.store.created_count(block, since_ns=since_ns),
            session_ns=self.store.session_ns(block, since_ns=since_ns, now_ns=now_ns),
            captured_bytes=captured,
            fetched_bytes=fetched,
        )

    def _ticket(self, session: Session) -> ticket.Ticket:
        # Keyed, so that the few netblocks there are cannot be tried one by one.
        secret = hashlib.sha256(b"netblock:" + self.key.private_bytes_raw()).digest()
        digest = hmac.digest(secret, session.netblock.encode(), "sha256")
        return ticket.Ticket(
            server_id=self.configuration.server.id,
            run_id=session.run_id,
            session_id=session.id,
            nonce=session.nonce,
            netblock_digest=digest[:16].hex(),
            issued_ns=session.created_ns,
            expires_ns=session.collect_until_ns,
        )


def _marker(session: Session) -> str:
    return marker.marker(bytes.fromhex(session.nonce))
