"""Are an image's files still the ones that were built?"""

from concurrent.futures import ThreadPoolExecutor

from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image, again, file_digest


def verify(image: Image) -> None:
    """Compare every file of an image that is there with the digest that its manifest has for it.

    Raises:
        ImageError: A file was changed, is missing or cannot be read; both digests are named.
    """
    with ThreadPoolExecutor() as pool:  # hashlib computes without the interpreter's lock
        for checked in [pool.submit(_verify, image, name) for name in image.parts]:
            checked.result()


def _verify(image: Image, name: str) -> None:
    path, part = image.directory / name, image.parts[name]
    try:
        found = file_digest(path)
    except OSError as e:
        raise ImageError(f"{path} cannot be read: {e}", hint=_again(image)) from e
    if found != part.sha256:
        raise ImageError(
            f"{path} was changed after it was {'fetched' if image.origin else 'built'}: "
            f"its SHA-256 begins with {found[:12]}, not with {part.sha256[:12]}",
            hint=_again(image),
        )


def _again(image: Image) -> str:
    return again(image.directory, image.origin)
