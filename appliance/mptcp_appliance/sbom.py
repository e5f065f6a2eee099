"""The bill of materials of an image: CycloneDX 1.6 as JSON, the same bytes for the same image.

ECMA-424; https://cyclonedx.org/docs/1.6/json/ . Package URLs are those of the purl type ``deb``
(https://github.com/package-url/purl-spec/blob/main/types-doc/deb-definition.md), so that
scanners find known holes by them.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from mptcp_appliance import manifest, strict_json
from mptcp_appliance.manifest import KERNEL, KERNEL_CONFIG, Part
from mptcp_appliance.strict_json import time_text

_NAMESPACE: Final = uuid.UUID("6f0f2b5e-9d0c-5c57-8d4a-5d3c1f3f7a10")
"""Of the serial numbers, which are made from digests (RFC 9562, section 5.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Which kernel the image boots, and what it was made of."""

    release: str
    """What ``uname -r`` says."""
    package: str
    """File name of Debian's package that brought it or its source: ``NAME_VERSION_ARCH.deb``."""
    sha256: Mapping[str, str]
    """Digests in hexadecimal, by what they are of."""


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


def contents(facts: Mapping[str, object], parts: Mapping[str, Part]) -> Contents:
    """Collect what an image is made of from what its manifest says.

    Args:
        facts: Of the manifest. A kernel's package is ``kernel_source_package`` if it was built
            from source, else ``kernel_package``; whatever ends in ``_sha256`` is a digest.
        parts: The image's files.
    """
    packages = facts["packages"]
    if not isinstance(packages, Mapping):
        raise TypeError("packages is a mapping of names to versions")
    config = parts.get(KERNEL_CONFIG)
    ending = "_sha256"
    return Contents(
        name=str(facts["name"]),
        architecture=str(facts["architecture"]),
        suite=str(facts["suite"]),
        digest=manifest.digest(parts),
        source_date_epoch=int(str(facts["source_date_epoch"])),
        packages=packages,
        kernel=Kernel(
            release=str(facts["kernel_release"]),
            package=str(facts.get("kernel_source_package", facts.get("kernel_package", ""))),
            sha256={
                **{k.removesuffix(ending): str(v) for k, v in facts.items() if k.endswith(ending)},
                "kernel": parts[KERNEL].sha256,
                **({"kernel_config": config.sha256} if config else {}),
            },
        ),
    )


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
        f"?distro={contents.suite}"
    )


def _package(name: str, version: str, contents: Contents) -> dict[str, object]:
    url = package_url(name, version, contents)
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def _kernel(contents: Contents) -> dict[str, object]:
    kernel = contents.kernel
    name, _, rest = kernel.package.removesuffix(".deb").partition("_")
    version = unquote(rest.partition("_")[0])
    return {
        "type": "operating-system",
        "bom-ref": f"kernel:{kernel.release}",
        "name": "linux",
        "version": kernel.release,
        **({"purl": package_url(name, version, contents)} if version else {}),
        "hashes": [{"alg": "SHA-256", "content": kernel.sha256["kernel"]}],
        "properties": [
            {"name": f"mptcp-check:sha256:{what}", "value": digest}
            for what, digest in sorted(kernel.sha256.items())
        ],
    }
