"""The bill of materials of an image: CycloneDX 1.6 as JSON, the same bytes for the same image.

ECMA-424; https://cyclonedx.org/docs/1.6/json/ . Package URLs are those of the purl type ``deb``
(https://github.com/package-url/purl-spec/blob/main/types-doc/deb-definition.md), so that
scanners find known holes by them.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from mptcp_appliance import strict_json
from mptcp_appliance.catalogue import time_text

_NAMESPACE: Final = uuid.UUID("6f0f2b5e-9d0c-5c57-8d4a-5d3c1f3f7a10")
"""Of the serial numbers, which are made from digests (RFC 9562, section 5.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Which kernel the image boots, and what it was made of."""

    release: str
    """What ``uname -r`` says."""
    package: str
    """Debian's package that brought it: the kernel itself, or its source."""
    version: str
    """Of that package."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Digests in hexadecimal by what they are of: ``package``, ``source``, ``config``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an image is made of."""

    name: str
    architecture: str
    """Debian's name."""
    suite: str
    """Debian's code name."""
    digest: str
    """`mptcp_appliance.manifest.digest`."""
    source_date_epoch: int
    """Seconds since 1970."""
    packages: Mapping[str, str]
    """Version by name."""
    kernel: Kernel


def write(contents: Contents) -> bytes:
    """Return the document."""
    image_ref = f"image:{contents.name}/{contents.architecture}"
    components = [
        _package(name, version, contents) for name, version in sorted(contents.packages.items())
    ]
    kernel = _kernel(contents)
    serial = uuid.uuid5(_NAMESPACE, f"{image_ref}/{contents.digest}")
    return strict_json.written(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{serial}",
            "version": 1,
            "metadata": {
                "timestamp": time_text(contents.source_date_epoch),
                "component": {
                    "type": "operating-system",
                    "bom-ref": image_ref,
                    "name": contents.name,
                    "version": contents.digest[:16],
                    "description": f"Virtual machine image for {contents.architecture}, "
                    f"from Debian {contents.suite}",
                    "hashes": [{"alg": "SHA-256", "content": contents.digest}],
                },
            },
            "components": [kernel, *components],
            "dependencies": [
                {
                    "ref": image_ref,
                    "dependsOn": [str(row["bom-ref"]) for row in (kernel, *components)],
                }
            ],
        }
    )


def package_url(name: str, version: str, contents: Contents) -> str:
    """Return the package URL of one of Debian's packages."""
    return (
        f"pkg:deb/debian/{quote(name.lower(), safe='.-_~')}@{quote(version, safe='.-_~:')}"
        f"?arch={contents.architecture}&distro={contents.suite}"
    )


def _package(name: str, version: str, contents: Contents) -> dict[str, object]:
    url = package_url(name, version, contents)
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def _kernel(contents: Contents) -> dict[str, object]:
    kernel = contents.kernel
    return {
        "type": "operating-system",
        "bom-ref": f"kernel:{kernel.release}",
        "name": "linux",
        "version": kernel.release,
        "purl": package_url(kernel.package, kernel.version, contents),
        "properties": [
            {"name": f"mptcp-check:sha256:{what}", "value": digest}
            for what, digest in sorted(kernel.sha256.items())
        ],
    }
