"""An example of the configuration file, and its table for the handbook, made of the settings."""

import json
from itertools import groupby
from typing import Final

from mptcp_check.server.configuration_keys import KEYS, NEEDED

OWN: Final[dict[str, object]] = {
    "server.id": "mptcp-1.example.org",
    "api.certificate": "/etc/mptcp-check/server/fullchain.pem",
    "api.private_key": "/etc/mptcp-check/server/privkey.pem",
    "tickets.signing_key": "/etc/mptcp-check/server/ticket-key.pem",
}
"""What the example says where there is no default."""


def example() -> str:
    """Return a whole file: what has a default stands there as a comment; PURE."""
    lines = []
    for section, keys in groupby(KEYS, key=lambda key: key.section):
        lines.append(f"[{section}]")
        for key in keys:
            value = OWN.get(str(key), key.default)
            mark = "" if key.default is NEEDED else "# "
            lines += [f"# {key.meaning}", f"{mark}{key.name} = {_toml(value)}"]
        lines.append("")
    return "\n".join(lines)


def table() -> str:
    """Return the settings as a table in Markdown; PURE."""
    rows = [
        f"| `{key}` | {'needed' if key.default is NEEDED else f'`{_toml(key.default)}`'} |"
        f" {key.meaning} |"
        for key in KEYS
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _toml(value: object) -> str:
    # JSON's texts, numbers and lists of them are TOML's too.
    return json.dumps(value)
