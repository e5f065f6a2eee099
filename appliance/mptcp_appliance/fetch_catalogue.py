"""Get a catalogue, and believe it only as far as its signature, its version and its expiry go."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from mptcp_appliance import catalogue, rollback, signing, signing_rotation
from mptcp_appliance.catalogue import CATALOGUE, Catalogue
from mptcp_appliance.errors import ImageError
from mptcp_appliance.fetch_source import Source, SourceError
from mptcp_appliance.rollback import Pin
from mptcp_appliance.signing import SUFFIX, PublicKey

_PAUSES_S: Final = (0.5, 1.0, 2.0)
"""Between attempts, of which there is one more."""

ASK: Final = "Ask those who publish it; take their key from them, never from the server."


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """A catalogue that was believed."""

    catalogue: Catalogue
    pin: Pin
    """What is to be remembered of it."""


def get(source: Source, pin: Pin, *, now_s: int, wait: Callable[[float], None]) -> Trusted:
    """Get a catalogue.

    Document and signature are two files: while they are being replaced on the server they may
    not fit each other, so a bad signature counts only when it stays.

    Args:
        source: Where it lies.
        pin: The key that is trusted and what was seen before.
        now_s: Seconds since 1970.
        wait: Lets that many seconds pass.

    Raises:
        ImageError: It did not come, or must not be believed.
    """
    problem = ""
    for pause_s in (*_PAUSES_S, None):
        proof = _small(source, f"{CATALOGUE}{SUFFIX}", signing.LIMIT_BYTES, pin, wait)
        data = _small(source, CATALOGUE, catalogue.LIMIT_BYTES, pin, wait)
        try:
            signature = signing.parse_signature(proof)
        except ValueError as e:
            raise _refused(pin, f"its signature cannot be read: {e}") from e
        keys = _chain(source, signature.key_id, pin, wait)
        if signature.key_id != keys[-1].key_id:
            raise _refused(
                pin,
                f"it is signed with the key {signing.key_name(signature.key_id)}, "
                f"not with the trusted key {keys[-1].name}",
            )
        try:
            signing.verify(data, signature, keys[-1])
        except ValueError as e:
            problem = str(e)
            if pause_s is not None:
                wait(pause_s)
            continue
        try:
            found = catalogue.parse(data)
        except ValueError as e:
            raise _refused(pin, f"it cannot be read: {e}") from e
        rollback.check(pin, found, data, now_s=now_s)
        moved = replace(pin, key=keys[-1], former=(*pin.former, *keys[:-1]))
        return Trusted(catalogue=found, pin=moved.seeing(found, data))
    raise _refused(pin, problem)


def small(source: Source, path: str, *, limit_bytes: int, wait: Callable[[float], None]) -> bytes:
    """Return a small file of a source, asked for several times if need be.

    Raises:
        SourceError: It did not come.
    """
    for pause_s in _PAUSES_S:
        try:
            return source.small(path, limit_bytes=limit_bytes)
        except SourceError as e:
            if not e.again:
                raise
            wait(pause_s)
    return source.small(path, limit_bytes=limit_bytes)


def _small(
    source: Source, path: str, limit_bytes: int, pin: Pin, wait: Callable[[float], None]
) -> bytes:
    try:
        return small(source, path, limit_bytes=limit_bytes, wait=wait)
    except SourceError as e:
        if e.absent:
            raise ImageError(
                f"there is no catalogue at {pin.url}: it has no {path}",
                hint="correct the address: it is that of the folder with catalogue.json",
            ) from e
        raise ImageError(
            f"the catalogue {pin.url} cannot be fetched: {path}: {e.reason}",
            hint="check address and network; images that are here already still boot",
        ) from e


def _chain(
    source: Source, key_id: bytes, pin: Pin, wait: Callable[[float], None]
) -> tuple[PublicKey, ...]:
    """Return the trusted key, and those it handed over to, up to the one called `key_id`."""
    keys = [pin.key]
    while keys[-1].key_id != key_id and len(keys) <= signing_rotation.MOST_STEPS:
        old = keys[-1]
        name = signing_rotation.file_name(old)
        try:
            data = small(source, name, limit_bytes=signing.LIMIT_BYTES, wait=wait)
            proof = small(source, f"{name}{SUFFIX}", limit_bytes=signing.LIMIT_BYTES, wait=wait)
        except SourceError as e:
            if not e.absent:
                raise ImageError(
                    f"the catalogue {pin.url} cannot be fetched: {name}: {e.reason}"
                ) from e
            break
        try:
            signing.verify(data, signing.parse_signature(proof), old)
            keys.append(signing_rotation.parse(data, old=old))
        except ValueError as e:
            raise _refused(pin, f"the hand-over of its key cannot be believed: {name}: {e}") from e
    return tuple(keys)


def _refused(pin: Pin, reason: str) -> ImageError:
    return ImageError(f"the catalogue {pin.url} is refused: {reason}", hint=ASK)
