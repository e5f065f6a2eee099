import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from image_catalogues import FACTS, made_image
from mptcp_appliance import image, sbom
from mptcp_appliance.manifest import PARTS, SBOM, Part

PART = Part(sha256="cd" * 32, size_bytes=1)


def problem(document: bytes) -> object:
    """Ask the schema of the standard itself."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode())


def written(**facts: object) -> bytes:
    return sbom.write(sbom.contents({**FACTS, **facts}, dict.fromkeys(PARTS, PART)))


def test_the_official_schema_takes_it_and_would_not_take_anything() -> None:
    assert problem(written()) is None
    assert problem(written().replace(b'"version": 1,', b'"version": "one",')) is not None
    assert problem(b"{}") is not None


def test_the_official_schema_takes_a_kernel_built_from_source() -> None:
    document = written(
        kernel_source_package="linux-source-6.12_6.12.9-1_all.deb", kernel_source_sha256="12" * 32
    )
    assert problem(document) is None
    kernel = json.loads(document)["components"][0]
    assert kernel["purl"] == "pkg:deb/debian/linux-source-6.12@6.12.9-1?distro=bookworm"
    assert {"name": "mptcp-check:sha256:kernel_source", "value": "12" * 32} in kernel["properties"]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True),
        st.from_regex(r"([0-9]:)?[0-9][A-Za-z0-9.+~-]{0,20}", fullmatch=True),
        max_size=5,
    )
)
def test_any_packages_give_a_valid_document(packages: dict[str, str]) -> None:
    document = written(packages=packages)

    assert problem(document) is None
    listed = {c["name"]: c["version"] for c in json.loads(document)["components"][1:]}
    assert listed == packages


def test_the_same_image_has_the_same_bytes() -> None:
    assert written() == written(packages=dict(reversed(dict(FACTS["packages"]).items())))  # type: ignore[call-overload]


def test_a_version_with_epoch_and_plus_is_a_package_url() -> None:
    urls = [c["purl"] for c in json.loads(written())["components"]]

    assert "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u15?distro=bookworm" in urls
    assert "pkg:deb/debian/bsdutils@1:2.38.1-5%2Bdeb12u3?distro=bookworm" in urls


def test_an_image_has_it_as_a_part_that_is_verified(tmp_path: Path) -> None:
    found = image.read(made_image(tmp_path / "image"))

    document = (found.directory / SBOM).read_bytes()
    assert problem(document) is None
    assert found.parts[SBOM].role == "sbom"
    assert found.part("cyclonedx-json") == found.directory / SBOM
    about = json.loads(document)["metadata"]["component"]
    assert about["hashes"] == [{"alg": "SHA-256", "content": found.digest}]


def test_facts_without_packages_are_a_bug() -> None:
    with pytest.raises(TypeError, match="packages is a mapping"):
        written(packages=7)
