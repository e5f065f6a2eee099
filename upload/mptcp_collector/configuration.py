"""What an operator decides, from a TOML file."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mptcp_check.errors import UsageError

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps; `GET /api/v1/limits` tells them, so that a client knows before it sends."""

    bundle_bytes: int = 64 * _MIB
    expanded_bytes: int = 256 * _MIB
    netblock_bytes_per_day: int = 256 * _MIB
    """What a netblock may upload without tickets."""
    requests_per_minute: int = 1200
    upload_s: int = 86_400
    """How long an upload may take, and how long it counts for its netblock."""
    idle_s: int = 30
    """How long a request may send nothing."""
    free_bytes: int = 1024 * _MIB
    """No new upload begins with less room than this on the disk of the state."""
    ticket_age_s: int = 30 * 86_400
    schema_oldest: int = 1
    schema_newest: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a job in the sandbox may use."""

    enabled: bool = True
    seconds: int = 120
    """Of processor time."""
    memory_bytes: int = 4096 * _MIB
    """Of address space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All of it."""

    state: Path
    """Folder of uploads on their way, of the key, and of what is not kept elsewhere."""
    public_url: str
    """Where users reach the collector; receipts name it."""
    listen_host: str = "127.0.0.1"
    listen_port: int = 8480
    policy_version: str = "1"
    """Version of the text that says what happens to uploaded runs."""
    database: str = ""
    """URL; empty for SQLite in the state's folder."""
    blobs: str = ""
    """``s3://BUCKET/PREFIX``; empty for a folder in the state's."""
    s3_endpoint: str = ""
    forwarded_for: bool = False
    """A proxy of the operator's own is in front: its X-Forwarded-For is believed."""
    limits: Limits = field(default_factory=Limits)
    analysis: Analysis = field(default_factory=Analysis)
    measurement_servers: Mapping[str, str] = field(default_factory=dict[str, str])
    """A server's id -> file with its public key, PEM."""

    @property
    def database_url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.state.absolute() / 'collector.sqlite'}"


def load(path: Path) -> Configuration:
    """Read a configuration.

    Raises:
        UsageError: It cannot be read, or a setting is unknown or of another kind; all are named.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as e:
        raise UsageError(f"{path} cannot be read: {(e.strerror or str(e)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UsageError(f"{path} is no TOML: {e}") from None
    return from_values(values, source=str(path))


def from_values(values: Mapping[str, Any], *, source: str) -> Configuration:
    """Return the configuration of a TOML document.

    Raises:
        UsageError: As `load`.
    """
    wrong: list[str] = []
    taken = dict(values)
    parts: dict[str, Any] = {}
    for name, kind in (("limits", Limits), ("analysis", Analysis)):
        section = taken.pop(name, {})
        if not isinstance(section, dict):
            wrong.append(f"{name} is no table")
            continue
        wrong += _wrong(section, kind, f"{name}.")
        parts[name] = section
    servers = taken.pop("measurement_servers", {})
    if not isinstance(servers, dict) or not all(isinstance(one, str) for one in servers.values()):
        wrong.append("measurement_servers is no table of texts")
    wrong += _wrong(taken, Configuration, "")
    wrong += [f"{name} is missing" for name in ("state", "public_url") if name not in taken]
    if wrong:
        raise UsageError(f"{source}: {'; '.join(wrong)}", hint="docs/collector.md names them all")
    return Configuration(
        **(taken | {"state": Path(taken["state"])}),
        limits=Limits(**parts["limits"]),
        analysis=Analysis(**parts["analysis"]),
        measurement_servers=servers,
    )


_KINDS: dict[Any, type] = {int: int, str: str, bool: bool, Path: str}


def _wrong(values: Mapping[str, Any], kind: type, prefix: str) -> list[str]:
    known = {one.name: _KINDS.get(one.type) for one in dataclasses.fields(kind)}
    said = []
    for name, value in values.items():
        if known.get(name) is None:
            said.append(f"{prefix}{name} is no setting")
        elif type(value) is not known[name] or (type(value) is int and value <= 0):
            said.append(f"{prefix}{name} cannot be {value!r}")
    return said
