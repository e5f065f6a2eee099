"""What an operator decides, as frozen values; `configuration_file` reads and checks them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """An address and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as it stands in the file."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def joined(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return ranges in order, those that touch or overlap as one; PURE."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Section ``[server]``."""

    id: str
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Section ``[api]``."""

    listen: tuple[Listen, ...]
    certificate: Path
    private_key: Path
    request_max_bytes: int
    request_within_s: int
    stalled_after_s: int
    connections_max: int
    connections_per_netblock: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tickets:
    """Section ``[tickets]``."""

    signing_key: Path
    session_s: int
    collect_s: int
    leeway_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Netblocks:
    """Section ``[netblocks]``: what one network may have."""

    ipv4_bits: int
    ipv6_bits: int
    sessions_at_once: int
    sessions_per_hour: int
    captured_bytes_per_hour: int
    fetched_bytes_per_hour: int
    session_s_per_hour: int
    service_connections: int
    service_connections_per_minute: int
    service_bytes_per_hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Section ``[capture]``."""

    run: str
    control: Path
    interfaces: tuple[str, ...]
    ports: tuple[tuple[int, int], ...]
    session_bytes: int
    session_packets: int
    hold_s: int
    waiting_flows: int
    waiting_bytes: int
    ring_bytes: int
    disk_free_min_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Section ``[services]``: the application servers and what sessions may keep there."""

    run: str
    control: Path
    state: Path
    user: str
    listen: tuple[str, ...]
    public: tuple[str, ...]
    ports_of: Mapping[str, tuple[int, ...]]
    """By service, each a setting of its own; none for one that is not offered."""
    ftp_plain: tuple[int, ...]
    passive_ports: tuple[int, int]
    connections: int
    offer_bytes: int
    session_bytes: int
    session_files: int
    disk_free_min_bytes: int

    @property
    def ports(self) -> tuple[tuple[int, int], ...]:
        """What a capture must look at: first and last of each range, in order, none twice."""
        # active FTP's data comes from the port below the control connection's (RFC 959, 3.2)
        data = {port - 1 for port in self.ftp_control_ports}
        single = {port for ports in self.ports_of.values() for port in ports}
        return joined(
            (self.passive_ports, *((p, p) for p in (*single, *self.ftp_control_ports, *data)))
        )

    @property
    def ftp_control_ports(self) -> tuple[int, ...]:
        """Where FTP's servers say where data will go."""
        return (*self.ports_of.get("ftp", ()), *self.ftp_plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Section ``[metrics]``."""

    listen: Listen | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Section ``[log]``."""

    full_addresses_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Section ``[retention]``."""

    captures_s: int
    sessions_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The whole file."""

    server: Server
    api: Api
    tickets: Tickets
    sessions_at_once: int
    netblocks: Netblocks
    capture: Capture
    services: Services
    metrics: Metrics
    log: Log
    retention: Retention

    @property
    def database(self) -> Path:
        """Where sessions are kept."""
        return self.server.state / "sessions.sqlite"

    @property
    def captures(self) -> Path:
        """Where captures are kept: a folder per session."""
        return self.server.state / "captures"
