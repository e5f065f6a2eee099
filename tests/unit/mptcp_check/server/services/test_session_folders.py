"""A folder per session: bounded, its own, and gone with it."""

import errno
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.service import Account
from mptcp_check.server.services.session_folders import Quota, SessionFolders
from mptcp_check.server.services.shared_programs import SHARED
from mptcp_guest import payload
from mptcp_guest.messages import Content
from ring_frames import nonce_marker

ALICE, BOB = nonce_marker(1), nonce_marker(2)
QUOTA = Quota(offer_bytes=5000, session_bytes=8000, session_files=3, disk_free_min_bytes=100)


@dataclass
class Place:
    folders: SessionFolders
    state: Path
    free_bytes: int = 10**9


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found: list[Place] = []
    folders = SessionFolders(tmp_path, QUOTA, free_bytes=lambda _: found[0].free_bytes)
    found.append(Place(folders=folders, state=tmp_path))
    for marker in (ALICE, BOB):
        folders.open(account(marker))
    return found[0]


def account(marker: str) -> Account:
    return Account(user=marker, password="p" * 24, until_ns=7)


def content(size: int) -> Content:
    return Content(seed="s", bytes=size)


def refused(place: Place, name: str, size: int = 10, service: str = "http") -> str:
    with pytest.raises(ProblemError) as refusal:
        place.folders.offer(ALICE, service, name, content(size))
    return refusal.value.problem.name


def test_an_offer_is_what_the_seed_makes_and_nobody_elses(place: Place) -> None:
    made = place.folders.offer(ALICE, "http", "x1", content(4000))
    file = place.state / "files" / ALICE / "down" / "x1"

    assert made.sha256 == payload.digest(content(4000))["sha256"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == made.sha256
    assert list((place.state / "files" / BOB / "down").iterdir()) == []
    assert file.parent.parent.stat().st_mode & 0o077 == 0


def test_what_was_uploaded_is_found_only_by_its_session(place: Place) -> None:
    (place.state / "files" / BOB / "up" / "x1").write_bytes(b"abc")

    assert place.folders.received(ALICE, "ftp", "x1") is None
    found = place.folders.received(BOB, "ftp", "x1")
    assert found is not None
    assert (found.bytes, found.sha256) == (3, hashlib.sha256(b"abc").hexdigest())
    place.folders.discard(BOB, "ftp", "x1")
    assert place.folders.received(BOB, "ftp", "x1") is None


def test_no_upload_leads_out_of_its_folder(place: Place) -> None:
    up = place.state / "files" / ALICE / "up"
    secret = place.state / "accounts" / f"{BOB}.json"
    (up / "link").symlink_to(secret)
    (up / "folder").mkdir()

    assert place.folders.received(ALICE, "http", "link") is None
    assert place.folders.received(ALICE, "http", "folder") is None
    place.folders.discard(ALICE, "http", "link")
    place.folders.discard(ALICE, "http", "folder")
    assert secret.exists()


@given(st.text())
def test_no_name_but_a_plain_one_is_taken(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folders = SessionFolders(
        tmp_path_factory.getbasetemp() / "any", QUOTA, free_bytes=lambda _: 10**9
    )
    folders.open(account(ALICE))
    plain = name.isascii() and name.isalnum() and name[:1].islower() and name == name.lower()
    if plain and len(name) <= 32:
        assert folders.offer(ALICE, "http", name, content(1)).bytes == 1
    else:
        with pytest.raises(ProblemError, match="a name is a letter"):
            folders.offer(ALICE, "http", name, content(1))
    folders.close(ALICE)
    with pytest.raises(ProblemError):
        folders.offer(name, "http", "x", content(1))


def test_quotas_are_kept_and_told(place: Place) -> None:
    assert refused(place, "x1", 5001) == "quota-used"
    place.folders.offer(ALICE, "http", "x1", content(5000))
    assert refused(place, "x2", 3001) == "quota-used"
    place.folders.offer(ALICE, "http", "x2", content(10))
    place.folders.offer(ALICE, "http", "x3", content(10))
    assert refused(place, "x4") == "quota-used"
    assert refused(place, "x4", service="gopher") == "request-invalid"
    place.folders.discard(ALICE, "http", "x1")
    place.folders.offer(ALICE, "smtp", "x4", content(10))


def test_what_programs_keep_in_the_closed_folder_counts_and_goes(place: Place) -> None:
    closed = place.state / "closed" / ALICE
    place.folders.offer(ALICE, "imap", "x1", content(4000))
    assert len(list(closed.rglob("*.offered"))) == 1
    assert refused(place, "x2", 4500) == "quota-used"
    uploaded = closed / "imap" / ".x3" / "new"
    uploaded.mkdir(parents=True)
    (uploaded / "1.mail").write_bytes(b"To: x\n\n" + b"y" * 9000)
    assert place.folders.restrain() == [ALICE]
    assert uploaded.stat().st_mode & 0o777 == 0o500
    found = place.folders.received(ALICE, "imap", "x3")
    assert found is not None
    assert found.bytes == 9000
    place.folders.discard(ALICE, "imap", "x3")
    place.folders.restrain()
    place.folders.close(ALICE)
    assert not closed.exists()
    assert (place.state / "closed" / BOB).exists()


def test_a_service_whose_contents_are_small_takes_no_large_one(place: Place) -> None:
    most = SHARED["dns"].offer_bytes_max
    assert most is not None
    place.folders = SessionFolders(
        place.state,
        replace(QUOTA, offer_bytes=10**7, session_bytes=10**8),
        free_bytes=lambda _: 10**9,
    )
    assert refused(place, "x1", most + 1, service="dns") == "quota-used"
    assert place.folders.offer(ALICE, "dns", "x1", content(1000)).bytes == 1000


def test_a_full_disk_is_told_and_leaves_no_half_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.free_bytes = 150
    assert refused(place, "x1", 100) == "disk-full"
    place.free_bytes = 10**9

    def full(path: Path, _: Content) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(payload, "write", full)
    assert refused(place, "x1") == "disk-full"
    assert list((place.state / "files" / ALICE / "down").iterdir()) == []


def test_who_uploads_too_much_uploads_no_more_and_nobody_else_is_hit(place: Place) -> None:
    up = place.state / "files" / ALICE / "up"
    (up / "x1").write_bytes(bytes(9000))

    assert place.folders.restrain() == [ALICE]
    modes = [(place.state / "files" / m / "up").stat().st_mode & 0o777 for m in (ALICE, BOB)]
    assert modes == [0o500, 0o700]
    place.folders.discard(ALICE, "ftp", "x1")
    (up / "x1").unlink(missing_ok=True)
    assert place.folders.restrain() == []
    assert up.stat().st_mode & 0o777 == 0o700


def test_folders_inside_folders_count_as_files(place: Place) -> None:
    (place.state / "files" / ALICE / "up" / "a" / "b" / "c" / "d").mkdir(parents=True)
    assert place.folders.restrain() == [ALICE]


def test_on_a_full_disk_nobody_uploads_until_there_is_room(place: Place) -> None:
    up = place.state / "files" / BOB / "up"
    place.free_bytes = 50
    assert place.folders.restrain() == []
    assert up.stat().st_mode & 0o777 == 0o500
    place.free_bytes = 10**9
    place.folders.restrain()
    assert up.stat().st_mode & 0o777 == 0o700


def test_accounts_outlive_a_restart_and_vanish_with_their_session(place: Place) -> None:
    (place.state / "accounts" / "half.json").write_text('{"user": "x')
    again = SessionFolders(place.state, QUOTA, free_bytes=lambda _: 10**9)

    assert {one.user for one in again.accounts()} == {ALICE, BOB}
    again.close(ALICE)
    again.close(ALICE)
    assert [one.user for one in again.accounts()] == [BOB]
    assert [path.name for path in (place.state / "files").iterdir()] == [BOB]
    with pytest.raises(ProblemError, match="services"):
        again.received(ALICE, "http", "x")
