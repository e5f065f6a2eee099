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
    """Return the collector; the first one named, with its key, is remembered.

    Raises:
        UsageError: None was ever named, or the key is another one than the remembered.
        ReceiptError: The key is none.
    """
    path = home() / "collector.json"
    known = _known(path)
    if url is None and key is None:
        if known is None:
            raise UsageError(
                "no collector is known yet",
                hint="name one and its public key: --collector URL --collector-key KEY",
            )
        return known
    if url is None or (key is None and (known is None or known.url != url.rstrip("/"))):
        raise UsageError(
            "a collector needs both its URL and its public key",
            hint="--collector URL --collector-key KEY; its operator publishes the key",
        )
    if key is None:
        key = known.key if known else ""
    receipt.public_key(key)
    named = Collector(url=url.rstrip("/"), key=key.strip())
    if known is not None and known.url == named.url and known.key != named.key:
        raise UsageError(
            f"another key is pinned for {named.url}",
            hint=f"if its operator says that the key changed, remove {path}",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, json.dumps({"url": named.url, "key": named.key}).encode())
    return named


def _known(path: Path) -> Collector | None:
    try:
        document = json.loads(path.read_bytes())
        return Collector(url=str(document["url"]), key=str(document["key"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{path} is damaged", hint="remove it and name the collector again"
        ) from None
