import json
from pathlib import Path

import pytest

from mptcp_upload import manifest


def a_run(directory: Path) -> Path:
    (directory / "captures").mkdir(parents=True)
    (directory / "captures" / "client.pcapng").write_bytes(b"packets")
    (directory / "report.json").write_text("{}")
    manifest.write(directory, manifest.build(directory, about={"run_id": "r"}))
    return directory


def test_every_file_is_a_member_with_size_and_digest(tmp_path: Path) -> None:
    said = manifest.read(a_run(tmp_path))

    assert said["schema"] == manifest.SCHEMA
    assert said["run_id"] == "r"
    assert said["members"] == {
        "captures/client.pcapng": {
            "bytes": 7,
            "sha256": "6e4cadce54be0b2cc248697d0c99bfd2fabe0aeb0e712718f1b60dcfdaf70a0a",
        },
        "report.json": {
            "bytes": 2,
            "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        },
    }


def test_the_same_run_has_the_same_manifest_wherever_it_lies(tmp_path: Path) -> None:
    one, other = a_run(tmp_path / "one"), a_run(tmp_path / "other")

    assert (one / manifest.NAME).read_bytes() == (other / manifest.NAME).read_bytes()


def test_a_whole_run_has_no_differences(tmp_path: Path) -> None:
    assert manifest.differences(a_run(tmp_path)) == ()


def test_a_changed_a_missing_and_an_added_file_are_each_named(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (run / "captures" / "client.pcapng").write_bytes(b"PACKETS")
    (run / "report.json").unlink()
    (run / "extra").write_text("")

    assert manifest.differences(run) == (
        "report.json is missing",
        "extra is not in the manifest",
        "captures/client.pcapng was changed",
    )


def test_a_link_is_never_a_member(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (run / "link").symlink_to("/etc/passwd")

    with pytest.raises(manifest.ManifestError, match="link is not a regular file"):
        manifest.build(run, about={})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no manifest.json"),
        (b"{", "cannot be read"),
        (b"[]", "is not a manifest"),
        (json.dumps({"schema": "other/1", "members": {}}).encode(), "is not a manifest"),
        (json.dumps({"schema": manifest.SCHEMA}).encode(), "names no members"),
    ],
)
def test_what_is_no_manifest_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / manifest.NAME).write_bytes(content)

    with pytest.raises(manifest.ManifestError, match=message):
        manifest.read(tmp_path)
