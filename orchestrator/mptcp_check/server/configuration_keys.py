"""The table of settings: section, key, how it is read, default, meaning.  Docs are made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mptcp_check import netblock
from mptcp_check.server.configuration_values import (
    Read,
    absolute_path,
    addresses,
    listens,
    names,
    one_of,
    optional_listen,
    port_range,
    ports,
    server_name,
    single_ports,
    user_name,
    whole,
)

DAY_S: Final = 86_400
MIB: Final = 2**20

NEEDED: Final = object()
"""Default of a setting that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting."""

    section: str
    name: str
    read: Read
    default: object
    """As it would stand in the file."""
    meaning: str

    def __str__(self) -> str:
        """Return the name that errors use."""
        return f"{self.section}.{self.name}"


def _section(name: str, rows: Sequence[tuple[str, Read, object, str]]) -> list[Key]:
    return [
        Key(section=name, name=row[0], read=row[1], default=row[2], meaning=row[3]) for row in rows
    ]


def _size(
    default: int, meaning: str, name: str, *, least: int = 4096
) -> tuple[str, Read, object, str]:
    return name, whole(least, 2**40), default, meaning


PORTS: Final[Mapping[str, tuple[tuple[int, ...], str]]] = {
    "http": ((80, 8080, 34343), "Ports of HTTP; none for no HTTP, and so for each of these."),
    "https": ((443, 8443), "Ports of HTTPS."),
    "websocket": ((8088,), "Ports of WebSocket."),
    "websocket-tls": ((4443,), "Ports of WebSocket over TLS."),
    "ftp": ((21,), "Ports of FTP, with and without TLS."),
    "ssh": ((2222,), "Ports of ssh, scp and sftp; 22 is the computer's own."),
    "rsync": ((873,), "Ports of rsync."),
    "git": ((9418,), "Ports of git."),
    "dns": ((53,), "Ports of DNS over TCP."),
    "dns-tls": ((853,), "Ports of DNS over TLS."),
    "echo": ((7, 34007, 50443), "Ports of the echo where the client speaks first."),
    "greeting-echo": ((17, 34017, 50517), "Ports of the echo where the server does."),
    "smtp": ((25, 587), "Ports of SMTP, with STARTTLS and without."),
    "imap": ((143,), "Ports of IMAP, with STARTTLS and without."),
    "imaps": ((993,), "Ports of IMAP inside TLS."),
    "pop3": ((110,), "Ports of POP3, with STARTTLS and without."),
    "pop3s": ((995,), "Ports of POP3 inside TLS."),
    "mqtt": ((1883,), "Ports of MQTT."),
    "mqtts": ((8883,), "Ports of MQTT inside TLS."),
    "redis": ((6379,), "Ports of Redis."),
    "irc": ((6667,), "Ports of IRC."),
    "iperf3": ((5201,), "Ports of iperf3's protocol, towards the client only."),
    "sip": ((5060,), "Ports of SIP over TCP."),
}
"""Service -> the ports that it has unless told otherwise, and what its setting means."""


KEYS: Final[tuple[Key, ...]] = (
    *_section(
        "server",
        [
            ("id", server_name, NEEDED, "Name in tickets, lists and reports."),
            (
                "state",
                absolute_path,
                "/var/lib/mptcp-check-server",
                "Folder of sessions and captures.",
            ),
        ],
    ),
    *_section(
        "api",
        [
            (
                "listen",
                listens,
                ["0.0.0.0:34380", "[::]:34380"],
                "Where the interface answers, when systemd gives no sockets.",
            ),
            ("certificate", absolute_path, NEEDED, "Certificate chain (PEM), own or of ACME."),
            ("private_key", absolute_path, NEEDED, "Its private key (PEM)."),
            _size(65_536, "Largest request body, bytes.", "request_max_bytes"),
            ("request_within_s", whole(1, 600), 10, "A request that is not whole by then ends."),
            (
                "stalled_after_s",
                whole(1, 3600),
                20,
                "A client that takes nothing of its answer for so long is cut off.",
            ),
            ("connections_max", whole(1, 60_000), 1000, "Connections at once."),
            ("connections_per_netblock", whole(1, 60_000), 64, "The same from one netblock."),
        ],
    ),
    *_section(
        "tickets",
        [
            ("signing_key", absolute_path, NEEDED, "Ed25519 key (PEM): `server keygen` makes it."),
            ("session_s", whole(10, DAY_S), 1800, "How long a session lasts at most."),
            ("collect_s", whole(0, 30 * DAY_S), 3600, "How long after it captures can be fetched."),
            ("leeway_s", whole(0, 300), 5, "How far clocks may be apart."),
        ],
    ),
    *_section("sessions", [("at_once", whole(1, 100_000), 500, "Sessions that are open at once.")]),
    *_section(
        "netblocks",
        [
            ("ipv4_bits", whole(8, 32), netblock.IPV4_BITS, "Prefix length of an IPv4 netblock."),
            ("ipv6_bits", whole(16, 128), netblock.IPV6_BITS, "The same of IPv6."),
            ("sessions_at_once", whole(1, 100_000), 8, "Open sessions of one netblock."),
            ("sessions_per_hour", whole(1, 10**6), 60, "New sessions of one netblock in an hour."),
            _size(2**31, "Bytes captured for it in an hour.", "captured_bytes_per_hour"),
            _size(2**32, "Bytes of captures it fetches in an hour.", "fetched_bytes_per_hour"),
            ("session_s_per_hour", whole(10, 10**7), 36_000, "Seconds of its sessions in an hour."),
            (
                "service_connections",
                whole(1, 10**6),
                128,
                "Connections to the services at once (`server firewall`).",
            ),
            (
                "service_connections_per_minute",
                whole(1, 10**6),
                1200,
                "New connections to the services in a minute (`server firewall`).",
            ),
            _size(
                2**33,
                "Bytes the services send it in an hour (`server firewall`).",
                "service_bytes_per_hour",
            ),
        ],
    ),
    *_section(
        "capture",
        [
            (
                "run",
                one_of("child", "unit", "off"),
                "child",
                "Who starts captures: `child` (`server run`), `unit` (systemd), `off` (nobody).",
            ),
            (
                "control",
                absolute_path,
                "/run/mptcp-check-server/capture.sock",
                "Socket between the two services.",
            ),
            ("interfaces", names, [], "Interfaces to capture on; none named means all."),
            (
                "ports",
                ports,
                [],
                "TCP ports to capture besides the services' own.",
            ),
            _size(512 * MIB, "Bytes of one session's capture.", "session_bytes"),
            ("session_packets", whole(1, 10**9), 1_000_000, "Packets of one session's capture."),
            (
                "hold_s",
                whole(1, 120),
                30,
                "How long packets wait to be known as a session's: longer than an exchange hangs.",
            ),
            ("waiting_flows", whole(16, 10**7), 20_000, "Connections that wait at once."),
            _size(64 * MIB, "Bytes of packets that wait at once.", "waiting_bytes"),
            _size(32 * MIB, "Bytes of the kernel's ring.", "ring_bytes", least=MIB),
            _size(
                512 * MIB,
                "Less free disk than this: no new capture.",
                "disk_free_min_bytes",
                least=0,
            ),
        ],
    ),
    *_section(
        "services",
        [
            (
                "run",
                one_of("child", "unit", "off"),
                "child",
                "Who starts the application servers: `child`, `unit` or `off`.",
            ),
            (
                "control",
                absolute_path,
                "/run/mptcp-check-services/services.sock",
                "Socket between interface and services.",
            ),
            (
                "state",
                absolute_path,
                "/var/lib/mptcp-check-services",
                "Folder of what sessions offer and upload.",
            ),
            ("user", user_name, "www-data", "Who they run as when root starts them."),
            ("listen", addresses, ["0.0.0.0", "::"], "Addresses that they listen on."),  # noqa: S104 - a server
            (
                "public",
                addresses,
                [],
                "Where clients reach them, one per family; none: where they reached the interface.",
            ),
            *((name, single_ports, list(ports), words) for name, (ports, words) in PORTS.items()),
            (
                "ftp_plain",
                single_ports,
                [2121],
                "Ports of FTP over plain TCP, the control of active FTP.",
            ),
            ("passive_ports", port_range, "50000-50399", "Data ports of passive FTP."),
            (
                "connections",
                whole(4, 60_000),
                512,
                "Connections at once of each program.",
            ),
            _size(64 * MIB, "Bytes of one file that a session offers.", "offer_bytes"),
            _size(256 * MIB, "Bytes that a session keeps at once.", "session_bytes"),
            ("session_files", whole(1, 10_000), 64, "Files that a session keeps at once."),
            _size(
                512 * MIB,
                "Less free disk than this: nothing more is kept.",
                "disk_free_min_bytes",
                least=0,
            ),
        ],
    ),
    *_section(
        "metrics",
        [
            (
                "listen",
                optional_listen,
                "127.0.0.1:9434",
                "Where Prometheus asks, plain HTTP; empty for nowhere.",
            )
        ],
    ),
    *_section(
        "log",
        [
            (
                "full_addresses_s",
                whole(0, 14 * DAY_S),
                0,
                "How long a file of its own keeps whole addresses; the log has netblocks only.",
            )
        ],
    ),
    *_section(
        "retention",
        [
            (
                "captures_s",
                whole(0, 366 * DAY_S),
                DAY_S,
                "Captures vanish so long after the session.",
            ),
            (
                "sessions_s",
                whole(3600, 3660 * DAY_S),
                30 * DAY_S,
                "Records of sessions vanish then.",
            ),
        ],
    ),
)
