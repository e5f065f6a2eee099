"""Are an image's files still the ones that were built?"""

from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image, again, file_digest


def verify(image: Image) -> None:
    """Compare every file of an image that is there with the digest that its manifest has for it.

    Raises:
        ImageError: A file was changed, is missing or cannot be read; both digests are named.
    """
    for name, part in image.parts.items():
        path = image.directory / name
        try:
            found = file_digest(path)
        except OSError as e:
            raise ImageError(f"{path} cannot be read: {e}", hint=again(image.directory)) from e
        if found != part.sha256:
            raise ImageError(
                f"{path} was changed: its SHA-256 is {found}, it was built with {part.sha256}",
                hint=again(image.directory),
            )
