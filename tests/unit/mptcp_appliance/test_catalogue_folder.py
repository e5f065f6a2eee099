import shutil
import stat
from pathlib import Path

import pytest

from image_catalogues import DAY_S, KEY, NOW_S, OTHER_KEY, edition, made_image, published
from minisign_oracle import minisign
from mptcp_appliance import catalogue, catalogue_folder, durable, image, manifest, signing
from mptcp_appliance.catalogue import CATALOGUE
from mptcp_appliance.errors import ImageError
from mptcp_appliance.manifest import MANIFEST


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_folder_holds_what_the_catalogue_says_and_nothing_else(tmp_path: Path) -> None:
    found = published(tmp_path / "out", made_image(tmp_path / "image"))

    assert (found.version, found.title, found.expires_s) == (1, "A laboratory", NOW_S + 90 * DAY_S)
    (entry,) = found.images
    assert names(tmp_path / "out") == sorted((CATALOGUE, f"{CATALOGUE}.minisig", entry.folder))
    assert names(tmp_path / "out" / entry.folder) == sorted(
        (*entry.parts, MANIFEST, f"{MANIFEST}.minisig")
    )
    assert catalogue_folder.read(tmp_path / "out", KEY.public) == found


def test_minisign_verifies_catalogue_and_manifest(tmp_path: Path) -> None:
    (entry,) = published(tmp_path / "out", made_image(tmp_path / "image")).images

    for path in (CATALOGUE, f"{entry.folder}/{MANIFEST}"):
        said = minisign("-Vm", path, "-P", KEY.public.text, cwd=tmp_path / "out")
        assert said.returncode == 0, said.stderr
        assert "signed 2027-01-15T08:00:00Z" in said.stdout
    assert entry.digest in said.stdout


def test_everybody_may_read_what_is_published(tmp_path: Path) -> None:
    source = made_image(tmp_path / "image")
    for path in source.iterdir():
        path.chmod(0o600)
    published(tmp_path / "out", source)

    modes = {
        stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "out", *(tmp_path / "out").rglob("*"))
    }
    assert modes == {0o755, 0o644}


def test_each_signing_raises_the_version_and_keeps_the_newest_images(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in range(4):
        found = catalogue_folder.publish(
            out,
            [made_image(tmp_path / str(number), str(number))],
            KEY,
            edition(keep=2),
            progress=lambda _: None,
        )

    assert found.version == 4
    assert [entry.added for entry in found.images] == [4, 3]
    assert names(out) == sorted(
        (CATALOGUE, f"{CATALOGUE}.minisig", *(entry.folder for entry in found.images))
    )


def test_a_renewal_changes_version_and_expiry_only(tmp_path: Path) -> None:
    first = published(tmp_path / "out", made_image(tmp_path / "image"))

    again = catalogue_folder.publish(
        tmp_path / "out", [], KEY, edition(NOW_S + DAY_S), progress=lambda _: None
    )

    assert (again.version, again.images) == (2, first.images)
    assert again.expires_s == first.expires_s + DAY_S


def test_the_same_image_again_is_listed_once(tmp_path: Path) -> None:
    published(tmp_path / "out", made_image(tmp_path / "image"))

    found = published(tmp_path / "out", tmp_path / "image")

    assert [entry.added for entry in found.images] == [2]


def test_an_image_that_is_not_as_it_was_built_is_not_signed(tmp_path: Path) -> None:
    source = made_image(tmp_path / "image")
    (source / "kernel").write_bytes(b"x" * 300_000)

    with pytest.raises(ImageError, match="kernel was changed"):
        published(tmp_path / "out", source)
    assert names(tmp_path / "out") == []


def test_an_image_that_lacks_a_part_or_a_name_is_not_signed(tmp_path: Path) -> None:
    source = made_image(tmp_path / "image")
    (source / "sbom.cdx.json").unlink()
    with pytest.raises(ImageError, match=r"lacks sbom\.cdx\.json"):
        published(tmp_path / "out", source)

    with pytest.raises(ImageError, match="has no name"):
        published(tmp_path / "out", made_image(tmp_path / "nameless", name=""))
    assert names(tmp_path / "out") == []


def test_a_folder_that_another_key_signed_or_nobody_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    published(out, made_image(tmp_path / "image"))
    before = (out / CATALOGUE).read_bytes()
    with pytest.raises(ImageError, match="is refused: it is signed with the key") as caught:
        published(out, tmp_path / "image", key=OTHER_KEY)
    assert "--old-key" in caught.value.hint
    assert (out / CATALOGUE).read_bytes() == before

    (out / CATALOGUE).write_bytes(before.replace(b"laboratory", b"Laboratory"))
    with pytest.raises(ImageError, match="was changed after it was signed"):
        published(out, tmp_path / "image")


def test_after_a_hand_over_the_new_key_signs_everything(tmp_path: Path) -> None:
    out = tmp_path / "out"
    published(out, made_image(tmp_path / "image"))

    (entry,) = published(out, key=OTHER_KEY, old_key=KEY).images

    assert catalogue_folder.read(out, OTHER_KEY.public).version == 2
    proof = (out / entry.folder / f"{MANIFEST}.minisig").read_bytes()
    content = (out / entry.folder / MANIFEST).read_bytes()
    signing.verify(content, signing.parse_signature(proof), OTHER_KEY.public)
    document = f"key-after-{KEY.public.name}.json"
    said = minisign("-Vm", document, "-P", KEY.public.text, cwd=out)
    assert said.returncode == 0, said.stderr


def test_remains_of_an_interrupted_signing_go(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".partial-x").mkdir(parents=True)
    published(out, made_image(tmp_path / "image"))

    assert ".partial-x" not in names(out)


def test_a_failure_in_the_middle_leaves_the_published_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    published(out, made_image(tmp_path / "image"))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    made_image(tmp_path / "second", "second")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for module, name in ((shutil, "copyfile"), (durable, "settle")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            with pytest.raises(ImageError, match="cannot be written: the disk is full"):
                published(out, tmp_path / "second")
        assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    assert published(out, tmp_path / "second").version == 2


def test_a_part_that_is_added_to_an_image_is_published_with_it(tmp_path: Path) -> None:
    source = made_image(tmp_path / "image")
    (source / "disk.raw").write_bytes(b"disk")
    found = image.add_parts(source, {"disk.raw": ("disk", "raw")})
    assert found.part("raw") == source / "disk.raw"

    (entry,) = published(tmp_path / "out", source).images

    assert entry.parts["disk.raw"].format == "raw"
    content = (tmp_path / "out" / entry.folder / MANIFEST).read_bytes()
    assert catalogue.entry(manifest.parse(content), content=content, added=1) == entry


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        ({"none.raw": ("disk", "raw")}, "cannot be extended"),
        ({"disk.raw": ("a disk", "raw")}, "role is not a word"),
        ({"manifest.json.x": ("disk", "raw")}, "cannot be extended"),
    ],
)
def test_what_cannot_be_a_part_leaves_the_manifest_as_it_is(
    tmp_path: Path, kinds: dict[str, tuple[str, str]], reason: str
) -> None:
    source = made_image(tmp_path / "image")
    (source / "disk.raw").write_bytes(b"disk")
    before = (source / MANIFEST).read_bytes()

    with pytest.raises(ImageError, match=reason):
        image.add_parts(source, kinds)
    assert (source / MANIFEST).read_bytes() == before


def test_nothing_is_added_to_what_a_catalogue_vouches_for(tmp_path: Path) -> None:
    source = made_image(tmp_path / "fetched" / "image")
    (source / "disk.raw").write_bytes(b"disk")

    with pytest.raises(ImageError, match="nothing can be added to it"):
        image.add_parts(source, {"disk.raw": ("disk", "raw")})


def test_a_key_does_not_take_over_from_itself(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot take over from itself"):
        published(tmp_path / "out", key=KEY, old_key=KEY)
    assert not (tmp_path / "out").exists()
