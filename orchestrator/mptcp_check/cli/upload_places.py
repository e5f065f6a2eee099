"""What uploads keep on this computer: outbox, consent, the map's key, the collector."""

import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from mptcp_check import settings
from mptcp_check.errors import UsageError
from mptcp_upload import durable, receipt
from mptcp_upload.anonymise.prefix_map import KEY_BYTES
from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.outbox import Outbox


def home() -> Path:
    """Return the folder around the runs."""
    return settings.places().runs.parent


def outbox() -> Outbox:
    """Return the outbox."""
    return Outbox(home() / "outbox")


def consent() -> Path:
    """Return where the answer to what may leave is kept."""
    return home() / "consent.json"


def anonymisation_key() -> bytes:
    """Return the secret of the map of addresses; made once, and never part of anything that leaves.

    Raises:
        UsageError: The file is damaged.
    """
    path = home() / "anonymisation.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, os.urandom(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise UsageError(
            f"{path} is damaged", hint="remove it; later uploads then use other pseudonyms"
        )
    return key


def names() -> tuple[str, ...]:
    """Return what this computer and its user are called."""
    node = os.uname().nodename
    user = pwd.getpwuid(os.getuid())
    full = user.pw_gecos.split(",")[0]
    return (node, node.split(".")[0], user.pw_name, full, *full.split(), Path(user.pw_dir).name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Where runs go, and whose receipts are believed."""

    url: str
    key: str


def collector(url: str | None, key: str | None) -> Collector:
    """Return the collector; the last one named is remembered, and the keys of all are pinned.

    Raises:
        UsageError: None was ever named, or the key is another one than the pinned.
        ReceiptError: The key is none.
    """
    found = known_collector(url, key)
    if found is None:
        raise UsageError(
            "no collector is known yet",
            hint="name one and its public key: --collector URL --collector-key KEY",
        )
    return found


def known_collector(url: str | None, key: str | None) -> Collector | None:
    """Return the collector as `collector` does; none where nothing is said and none is known.

    Raises:
        UsageError: As `collector`.
        ReceiptError: As `collector`.
    """
    path = home() / "collector.json"
    last, pinned = _remembered(path)
    if not url and not key:
        return None if last is None else Collector(url=last, key=pinned[last])
    url = (url or "").rstrip("/")
    if not url or not (key or url in pinned):
        raise UsageError(
            "a collector needs both its URL and its public key",
            hint="--collector URL --collector-key KEY; its operator publishes the key",
        )
    CollectorClient(url).close()
    key = key.strip() if key else pinned[url]
    wanted = receipt.public_key(key)
    if url in pinned and receipt.public_key(pinned[url]) != wanted:
        raise UsageError(
            f"another key is pinned for {url}",
            hint=f"if its operator says that the key changed, remove {path}",
        )
    if last != url or url not in pinned:
        pinned.setdefault(url, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, json.dumps({"url": url, "keys": pinned}, indent=1).encode())
    return Collector(url=url, key=pinned[url])


def _remembered(path: Path) -> tuple[str | None, dict[str, str]]:
    """Return the last collector, and the keys of all."""
    try:
        document = json.loads(path.read_bytes())
        keys = {str(url): str(key) for url, key in document["keys"].items()}
        return document["url"] if document["url"] in keys else None, keys
    except FileNotFoundError:
        return None, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{path} is damaged", hint="remove it and name the collector again"
        ) from None
