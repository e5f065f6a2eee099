"""Read the one configuration file, and say everything that is wrong with it at once."""

import difflib
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from mptcp_check.errors import UsageError
from mptcp_check.server.configuration import (
    Api,
    Capture,
    Configuration,
    Log,
    Metrics,
    Netblocks,
    Retention,
    Server,
    Services,
    Tickets,
    joined,
)
from mptcp_check.server.configuration_keys import KEYS, NEEDED, PORTS

LARGEST_BYTES: Final = 65_536

Values = dict[str, dict[str, Any]]


def load(path: Path) -> Configuration:
    """Read a configuration file.

    Raises:
        UsageError: It cannot be read, is no TOML, or settings are wrong: all of them are named.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_BYTES + 1)
    except OSError as e:
        raise UsageError(
            f"{path} cannot be read: {(e.strerror or str(e)).lower()}",
            hint="`mptcp-check server example-config` prints one to begin with",
        ) from None
    if len(octets) > LARGEST_BYTES:
        raise UsageError(f"{path} has more than {LARGEST_BYTES} bytes: that is no configuration")
    try:
        text = octets.decode()
    except UnicodeDecodeError as e:
        raise UsageError(f"{path} is not UTF-8 at byte {e.start}") from None
    configuration, errors = parse(text)
    if configuration is None:
        raise UsageError(
            "\n  ".join([f"{path} cannot be used:", *errors]),
            hint="docs/server.md explains every setting",
        )
    return configuration


def parse(text: str) -> tuple[Configuration | None, tuple[str, ...]]:
    """Return the configuration, or none and every error; PURE, never raises.

    Each error begins with the key that it is about, ``capture.ports: …``.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        return None, (f"no TOML: {e}",)
    errors = _unknown(document)
    values: Values = {}
    for key in KEYS:
        section = document.get(key.section, {})
        given = section.get(key.name, key.default) if isinstance(section, dict) else key.default
        if given is NEEDED:
            errors.append(f"{key}: missing, and it has no default")
            continue
        try:
            values.setdefault(key.section, {})[key.name] = key.read(given)
        except ValueError as e:
            errors.append(f"{key}: {e}, not {given!r}")
    if not errors:
        errors = _contradictions(values)
    if errors:
        return None, tuple(errors)
    return _configuration(values), ()


def _unknown(document: dict[str, Any]) -> list[str]:
    known: Values = {}
    for key in KEYS:
        known.setdefault(key.section, {})[key.name] = key
    errors = []
    for section, content in document.items():
        if section not in known:
            errors.append(f"{section}: there is no such section{_meant(section, known)}")
        elif not isinstance(content, dict):
            errors.append(f"{section}: a section is wanted, [{section}]")
        else:
            errors += [
                f"{section}.{name}: there is no such setting{_meant(name, known[section])}"
                for name in content
                if name not in known[section]
            ]
    return errors


def _meant(word: str, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; is {near[0]} meant?" if near else ""


def _contradictions(values: Values) -> list[str]:
    """Return what is wrong between settings that are right by themselves."""
    capture, api = values["capture"], values["api"]
    errors = [
        f"api.listen: port {place.port} is captured: fetching a capture would be captured"
        for place in api["listen"]
        if any(first <= place.port <= last for first, last in _captured(values))
    ]
    if api["connections_per_netblock"] > api["connections_max"]:
        errors.append("api.connections_per_netblock: more than api.connections_max")
    if values["netblocks"]["sessions_at_once"] > values["sessions"]["at_once"]:
        errors.append("netblocks.sessions_at_once: more than sessions.at_once")
    if values["retention"]["captures_s"] < values["tickets"]["collect_s"]:
        errors.append(
            "retention.captures_s: less than tickets.collect_s, so that captures would vanish"
            " while they are promised"
        )
    if values["retention"]["sessions_s"] < values["retention"]["captures_s"]:
        errors.append("retention.sessions_s: less than retention.captures_s")
    services = _services(values["services"])
    if services.run != "off":
        errors += _about_services(services)
    elif not capture["ports"]:
        errors.append("capture.ports: missing, as there are no services whose ports they would be")
    return errors


def _services(values: dict[str, Any]) -> Services:
    ports = {name: values[name] for name in PORTS}
    return Services(ports_of=ports, **{k: v for k, v in values.items() if k not in ports})


def _captured(values: Values) -> tuple[tuple[int, int], ...]:
    """Return the ports that a capture looks at."""
    services = _services(values["services"])
    own = services.ports if services.run != "off" else ()
    return joined((*values["capture"]["ports"], *own))


def _about_services(services: Services) -> list[str]:
    used = [*services.ftp_plain, *(p for ports in services.ports_of.values() for p in ports)]
    errors = [
        f"services: two of them have port {port}"
        for port in sorted({port for port in used if used.count(port) > 1})
    ]
    families = [ip_address(text).version for text in services.public]
    if len(set(families)) != len(families):
        errors.append("services.public: one address per family is enough")
    if services.offer_bytes > services.session_bytes:
        errors.append("services.offer_bytes: more than services.session_bytes")
    return errors


def _configuration(values: Values) -> Configuration:
    return Configuration(
        server=Server(**values["server"]),
        api=Api(**values["api"]),
        tickets=Tickets(**values["tickets"]),
        sessions_at_once=values["sessions"]["at_once"],
        netblocks=Netblocks(**values["netblocks"]),
        capture=Capture(**{**values["capture"], "ports": _captured(values)}),
        services=_services(values["services"]),
        metrics=Metrics(**values["metrics"]),
        log=Log(**values["log"]),
        retention=Retention(**values["retention"]),
    )
