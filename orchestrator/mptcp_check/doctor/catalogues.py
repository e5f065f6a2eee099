"""The catalogues that images were fetched from: can each still be believed, is there a newer image?

Only a catalogue whose key the user gave is asked.  Nothing here stops a run: images that are on
this computer boot without a network, and are verified on their own.
"""

import platform
from collections.abc import Iterator

from mptcp_appliance import catalogue, fetch_catalogue, fetch_place, plan, rollback, store
from mptcp_appliance.catalogue import Catalogue
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Origin
from mptcp_appliance.images import load
from mptcp_appliance.manifest import INTERFACE
from mptcp_appliance.rollback import Pin
from mptcp_check import __version__, clock
from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.settings import IMAGE

NAME = "Image catalogue"
SOON_DAYS = 14
"""Who publishes should have signed again by then."""
DAY_S = 86_400


def catalogues(question: Question) -> Iterator[Check]:
    """Ask each catalogue that is trusted here, once; nothing where there is none."""
    try:
        pins = rollback.pins(question.places.catalogues).values()
        boots = store.find(load(IMAGE), cache_dir=question.places.images) if pins else None
        ours = plan.architecture(platform.machine()) if pins else ""
    except ImageError as e:
        yield Check(name=NAME, status=Status.WARN, detail=e.message, advice=e.hint)
        return
    for pin in pins:
        yield _ask(pin, boots.origin if boots else None, ours)


def _ask(pin: Pin, origin: Origin | None, architecture: str) -> Check:
    now_s = clock.wall_ns() // 10**9
    source = fetch_place.source(pin.url, agent=f"mptcp-check/{__version__}")
    try:
        found = fetch_catalogue.get(source, pin, now_s=now_s, wait=lambda _: None)
    except ImageError as e:
        return Check(name=NAME, status=Status.WARN, detail=e.message, advice=e.hint)
    here = origin if origin and origin.catalogue == pin.url else None
    return judge(found.pin, found.catalogue, here, architecture=architecture, now_s=now_s)


def judge(
    pin: Pin, offered: Catalogue, here: Origin | None, *, architecture: str, now_s: int
) -> Check:
    """Judge a catalogue that is signed, not expired, and no older than one that was seen; PURE.

    Args:
        pin: What is known of it.
        offered: What it says.
        here: From where the image that boots came, if that is this catalogue.
        architecture: Debian's name of this computer's.
        now_s: Seconds since 1970.
    """
    left_days = (offered.expires_s - now_s) // DAY_S
    detail = f"{pin.url} is signed with {pin.key.name}, version {offered.version}"
    newest = catalogue.newest(
        offered.images, name=IMAGE, architecture=architecture, interface=INTERFACE
    )
    advice = ""
    if here and newest and newest.added > here.added:
        detail += "; it has a newer image"
        advice = f"`mptcp-check image fetch {pin.url}`"
    elif left_days < SOON_DAYS:
        detail += f"; it expires in {left_days} days"
        advice = "ask those who publish it to sign it again (`mptcp-check image sign --renew`)"
    status = Status.WARN if advice else Status.PASS
    return Check(name=NAME, status=status, detail=detail, advice=advice)
