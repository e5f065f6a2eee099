"""Are an image's files still the ones that were built?"""

from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import PARTS, Image, again, file_digest, read_manifest


def verify(image: Image) -> None:
    """Compare every file of an image with the digest that its manifest has for it.

    Raises:
        ImageError: A file was changed, is missing or cannot be read; both digests are named.
    """
    try:
        files = read_manifest(image.manifest)["files"]
        for name in PARTS:
            expected = files[name]["sha256"]
            found = file_digest(image.directory / name)
            if found != expected:
                raise ImageError(
                    f"{image.directory / name} was changed: its SHA-256 is {found}, "
                    f"the image was built with {expected}",
                    hint=again(image.directory),
                )
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ImageError(
            f"the image {image.directory} cannot be read: {e}", hint=again(image.directory)
        ) from e
