"""What an operator decides, from a TOML file."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mptcp_check.errors import UsageError
from mptcp_check.session_client import server_list

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps; `GET /api/v1/limits` tells them, so that a client knows before it sends."""

    bundle_bytes: int = 256 * _MIB
    expanded_bytes: int = 256 * _MIB
    netblock_bytes_per_day: int = 1024 * _MIB
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
class Retention:
    """How long runs are kept, by what their user agreed to; 0 means without end."""

    verdict_days: int = 1825
    """The whole run of who agreed to upload a verdict, or traces."""
    traces_days: int = 730
    """The captures of who agreed to upload traces; the verdict stays."""
    published_days: int = 0
    """The whole run of who agreed to its publication."""
    embargo_days: int = 7
    """How long after its receipt a run becomes public, where its user agreed to that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementServer:
    """A server whose tickets are believed, and how its captures come here."""

    key: str
    """File in the state's folder with its public key, PEM."""
    url: str = ""
    """Its interface, ``https://HOST:PORT``; empty: it is not asked for captures."""
    fingerprint: str = ""
    """SHA-256 of its certificate; empty: the usual authorities decide."""
    captures: str = ""
    """Folder in which its operator puts ``SESSION.pcapng``; empty: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All of it."""

    state: Path
    """Folder of uploads on their way, of the key, and of what is not kept elsewhere."""
    public_url: str
    """Where users reach the collector; receipts name it."""
    listen_host: str = "127.0.0.1"
    listen_port: int = 8480
    """0: any that is free; the log tells which."""
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
    retention: Retention = field(default_factory=Retention)
    measurement_servers: Mapping[str, MeasurementServer] = field(
        default_factory=dict[str, MeasurementServer]
    )
    """By a server's id."""

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
    for name, kind in _SECTIONS.items():
        section = taken.pop(name, {})
        if not isinstance(section, dict):
            wrong.append(f"{name} is no table")
            continue
        wrong += _wrong(section, kind, f"{name}.")
        parts[name] = section
    servers = taken.pop("measurement_servers", {})
    wrong += _wrong_servers(servers)
    wrong += _wrong(taken, Configuration, "")
    wrong += [f"{name} is missing" for name in ("state", "public_url") if name not in taken]
    wrong += _wrong_address(taken.get("public_url"))
    if wrong:
        raise UsageError(f"{source}: {'; '.join(wrong)}", hint="docs/collector.md names them all")
    return Configuration(
        **(taken | {"state": Path(taken["state"])}),
        limits=Limits(**parts["limits"]),
        analysis=Analysis(**parts["analysis"]),
        retention=Retention(**parts["retention"]),
        measurement_servers={
            name: MeasurementServer(**({"key": one} if isinstance(one, str) else one))
            for name, one in servers.items()
        },
    )


_SECTIONS: dict[str, type] = {"limits": Limits, "analysis": Analysis, "retention": Retention}
_MAY_BE_NONE: frozenset[type] = frozenset({Retention})
"""Sections in which 0 means without end."""

_KINDS: dict[Any, type] = {int: int, str: str, bool: bool, Path: str}


def _wrong(values: Mapping[str, Any], kind: type, prefix: str) -> list[str]:
    known = {one.name: _KINDS.get(one.type) for one in dataclasses.fields(kind)}
    said = []
    for name, value in values.items():
        if known.get(name) is None:
            said.append(f"{prefix}{name} is no setting")
        elif type(value) is not known[name] or _too_small(value, kind, name):
            said.append(f"{prefix}{name} cannot be {value!r}")
    return said


def _too_small(value: object, kind: type, name: str) -> bool:
    least = 0 if kind in _MAY_BE_NONE or name == "listen_port" else 1
    return type(value) is int and value < least


def _wrong_address(url: object) -> list[str]:
    """Say what is wrong with the address that receipts name: it can never be changed in them."""
    if not isinstance(url, str):
        return []
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_one = False
    return [] if is_one and not parts.query else [f"public_url cannot be {url!r}: https://HOST"]


def _wrong_servers(servers: object) -> list[str]:
    if not isinstance(servers, dict):
        return ["measurement_servers is no table"]
    said = []
    for name, one in servers.items():
        where = f"measurement_servers.{name}"
        if isinstance(one, dict):
            said += _wrong(one, MeasurementServer, f"{where}.")
            said += [] if "key" in one else [f"{where}.key is missing"]
            said += _wrong_url(where, one)
        elif not isinstance(one, str):
            said.append(f"{where} is no table, and no file of a key")
    return said


def _wrong_url(where: str, one: Mapping[str, Any]) -> list[str]:
    try:
        if one.get("url"):
            server_list.server(one["url"], fingerprint=one.get("fingerprint", ""))
    except (UsageError, TypeError, AttributeError) as e:
        return [f"{where}: {e}"]
    return []
