"""The appliance's image: is it there, and is it what was built?"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping

from mptcp_appliance import store
from mptcp_appliance.errors import ImageError
from mptcp_appliance.images import load
from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.settings import IMAGE

NAME = "Appliance image"
FETCH = "`mptcp-check image fetch URL --key KEY` takes one from a catalogue (docs/images.md)"
BUILDERS = {
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "bc": "bc",
    "bison": "bison",
    "flex": "flex",
    "gcc": "gcc",
    "make": "make",
}
"""Programs that build it, and Debian's packages."""
WITHOUT_ROOT = {"newuidmap": "uidmap"}
"""What a user who is not root needs as well: the packages are installed in a user namespace."""


def appliance(question: Question) -> Iterator[Check]:
    """Look for the image, and compare every file of it with its digest."""
    try:
        cached = store.find(load(IMAGE), cache_dir=question.places.images)
        if cached is not None:
            store.check(cached, pins=question.places.catalogues)
    except ImageError as e:
        yield Check(name=NAME, status=Status.FAIL, detail=e.message, advice=e.hint)
        return
    if cached is not None:
        whence = f"as {cached.origin.catalogue} offers it" if cached.origin else "as it was built"
        detail = f"verified: every file is {whence} ({cached.digest[:12]})"
        yield Check(name=NAME, status=Status.PASS, detail=detail)
    else:
        wanted = BUILDERS if os.geteuid() == 0 else BUILDERS | WITHOUT_ROOT
        yield judge_missing({p: shutil.which(p) for p in wanted}, platform=sys.platform)


def judge_missing(found: Mapping[str, str | None], *, platform: str) -> Check:
    """Judge whether an image that is not there can be built here; PURE."""
    missing = [program for program, path in found.items() if path is None]
    if platform != "linux" or missing:
        packages = " ".join((BUILDERS | WITHOUT_ROOT)[p] for p in missing)
        return Check(
            name=NAME,
            status=Status.FAIL,
            detail="there is none, and none can be built here",
            advice=f"`sudo apt install {packages}`, then `mptcp-check image build`; or {FETCH}"
            if platform == "linux"
            else FETCH,
        )
    return Check(
        name=NAME,
        status=Status.WARN,
        detail="not built yet",
        advice="the first run builds it (ten minutes or so), or `mptcp-check image build` now",
    )
