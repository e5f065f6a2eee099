"""What booting a machine needs: the image, found or built and verified, an accelerator, keys."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mptcp_appliance import boot, cache, images, store
from mptcp_appliance.image import Image
from mptcp_check.errors import PreflightError
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.image_accelerator import image_accelerator, qemu_version
from mptcp_check.settings import IMAGE, Places
from mptcp_check.wanted import Around
from mptcp_check.watch import Watch

if TYPE_CHECKING:
    from mptcp_check.machines.management import RunKeys

MEANWHILE = "mptcp_check.machines.embedded"
"""Ssh and NumPy: imported while the image is verified, which needs no interpreter."""

ROOM_BYTES = 100_000_000
"""What a machine of `MEMORY_MIB` captures without being full: half of its memory is its disk."""

MEMORY_MIB = 512
"""Of each guest: the system needs 60, the rest is room for captures and files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """All that booting a machine needs."""

    image: Image
    accelerator: Accelerator
    keys: "RunKeys"
    memory_mib: int

    @property
    def image_arguments(self) -> list[str]:
        """What depends on the image in QEMU's command line."""
        return boot.qemu_arguments(
            self.image, memory_mib=self.memory_mib, keys_directory=self.keys.directory
        )


def ready(around: Around) -> Machinery:
    """Return all of it; the first run builds the image.

    Raises:
        ImageError: The image cannot be built, or was changed.
        MptcpCheckError: QEMU cannot run it here.
    """
    image = appliance_image(around.places, around.watch)
    around.watch.step("Verifying the appliance image")
    with ThreadPoolExecutor(2) as pool:  # nothing of the image runs before it is verified
        verifying = pool.submit(store.check, image, pins=around.places.catalogues)
        making = pool.submit(_keys, around.scratch / "keys")
        version = qemu_version(image)
        import_module(MEANWHILE)
        verifying.result()
    accelerated = image_accelerator(
        image,
        version=version,
        record=around.places.accelerators,
        scratch=around.scratch,
        progress=around.watch.step,
    )
    return Machinery(
        image=image,
        accelerator=accelerated,
        keys=making.result(),
        memory_mib=memory_mib(around.wire_bytes),
    )


def _keys(directory: Path) -> "RunKeys":
    from mptcp_check.machines.management import make_keys  # noqa: PLC0415 - see `MEANWHILE`

    return make_keys(directory)


def memory_mib(wire_bytes: int) -> int:
    """Return how much memory a machine needs that captures so much; pure."""
    more = max(0, wire_bytes - ROOM_BYTES)
    return MEMORY_MIB + -(-3 * more // 2**20)  # half of it is disk, and tries are repeated


def appliance_image(places: Places, watch: Watch) -> Image:
    """Return the image that is here, or build it.

    Raises:
        PreflightError: There is none, and none can be built on this computer.
        ImageError: It cannot be built.
    """
    declared = images.load(IMAGE)
    image = store.find(declared, cache_dir=places.images)
    if image is None and sys.platform != "linux":
        raise PreflightError(
            f"there is no appliance image in {places.images}, and images are built on Debian",
            hint="`mptcp-check image fetch URL --key KEY` from who offers one (docs/images.md)",
        )
    if image is None:
        watch.step("Building the appliance image (the first run only, some minutes)")
        image = cache.ensure(declared, cache_dir=places.images, progress=watch.detail)
    return image
