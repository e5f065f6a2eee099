"""What is kept of an upload, a run and a verdict."""

import enum
from dataclasses import dataclass


class RunState(enum.Enum):
    """How far a run is."""

    RECEIVED = "received"
    """Stored and receipted; not looked at yet."""
    ANALYSED = "analysed"
    QUARANTINED = "quarantined"
    """It could not be analysed; the reason is kept, and so is the bundle."""
    DELETED = "deleted"
    """A tombstone: the id stays taken, everything else is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A bundle on its way; the record outlives it until it expires, for the quota of the day."""

    id: str
    run_id: str
    bundle_sha256: str
    size_bytes: int
    schema: int
    deletion_sha256: str
    netblock: str
    ticket: str
    """``server session`` of a verified ticket, or empty."""
    created_ns: int
    expires_ns: int
    finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that got its receipt."""

    run_id: str
    bundle_sha256: str
    size_bytes: int
    schema: int
    deletion_sha256: str
    ticket: str
    received_ns: int
    receipt: str
    """The signed document as it was first given out."""
    state: RunState = RunState.RECEIVED
    reason: str = ""
    """Why it is in quarantine: a stable word, then words for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFinding:
    """One finding of a verdict, for the lists."""

    behaviour: str
    state: str
    application: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one version of the rules says of a run; a later one is kept beside it."""

    run_id: str
    rules_version: str
    judged_ns: int
    outcome: str
    report: str
    """JSON, as the analysis gave it."""
    findings: tuple[SeenFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs a list shall have; empty means all."""

    behaviour: str = ""
    outcome: str = ""
    application: str = ""
    port: int = 0
    since_ns: int = 0
    until_ns: int = 2**62
    offset: int = 0
    limit: int = 50
