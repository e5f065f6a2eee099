"""What is kept of an upload, a run and a verdict."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    token: str = ""
    """The ticket itself, a bearer secret; it goes to the run's `ServerCapture` and no further."""
    collect_until_ns: int = 0
    """Until when the measurement server gives the capture for it."""


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
    purposes: str = ""
    """What its user agreed to, separated by spaces; empty until somebody looked."""
    captures: str = ""
    """Sides whose captures are in the bundle, separated by spaces."""
    publish_ns: int | None = None
    """From when on everybody may see it; None: never."""
    traces_gone_ns: int | None = None
    """When the bundle was removed because it was kept long enough."""

    def public(self, now_ns: int) -> bool:
        """Say whether everybody may see it."""
        return self.publish_ns is not None and self.publish_ns <= now_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a bundle says of its run besides the verdict."""

    purposes: tuple[str, ...]
    captures: tuple[str, ...]
    marks: Mapping[str, tuple[str, ...]]
    """``application``, ``port`` and ``network`` -> values, for the filters."""


class CaptureState(enum.Enum):
    """How far the measurement server's own capture of a run is."""

    WAITING = "waiting"
    JOINED = "joined"
    GONE = "gone"
    """It cannot be had any more; the reason is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCapture:
    """The measurement server's capture of a run, by the ticket that came with the upload."""

    run_id: str
    server_id: str
    session_id: str
    token: str
    """Empty once it is not needed any more."""
    collect_until_ns: int
    state: CaptureState = CaptureState.WAITING
    reason: str = ""
    """Why it is gone, or why the last try failed."""
    tried_count: int = 0
    next_try_ns: int = 0
    sha256: str = ""
    """Of what is kept: anonymised."""
    size_bytes: int = 0


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
    network: str = ""
    since_ns: int = 0
    until_ns: int = 2**62
    public_at_ns: int | None = None
    """Only what everybody may see at this time; None: everything."""
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A line of a list."""

    run: Run
    outcome: str
    """Of the newest verdict; empty without one."""
    behaviours: tuple[str, ...] = ()
    marks: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What newer rules see otherwise in a run."""

    run_id: str
    rules_before: str
    """Empty: there was no verdict."""
    rules_version: str
    outcome_before: str
    outcome: str
    appeared: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reanalysis:
    """One time that all runs were judged again."""

    id: int
    time_ns: int
    rules_version: str
    judged_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A folder in which published runs were written."""

    folder: str
    format: str
    made_ns: int
    audit_id: int
    """The audit log's last line that it has seen."""
