import pytest

from mptcp_check.doctor.check import Status
from mptcp_check.doctor.image import judge_missing


@pytest.mark.parametrize(
    ("found", "platform", "status", "words"),
    [
        ({"mmdebstrap": "/x", "mksquashfs": "/y"}, "linux", Status.WARN, "the first run builds it"),
        ({"mmdebstrap": None, "mksquashfs": "/y"}, "linux", Status.FAIL, "install mmdebstrap"),
        ({"mmdebstrap": "/x", "newuidmap": None}, "linux", Status.FAIL, "apt install uidmap`"),
        ({"mmdebstrap": "/x", "mksquashfs": None}, "linux", Status.FAIL, "squashfs-tools"),
        ({"mmdebstrap": None, "mksquashfs": None}, "darwin", Status.FAIL, "image fetch"),
    ],
)
def test_without_an_image_one_is_built_or_fetched(
    found: dict[str, str | None], platform: str, status: Status, words: str
) -> None:
    check = judge_missing(found, platform=platform)
    assert check.status is status
    assert words in check.advice
