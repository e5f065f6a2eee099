"""What `doctor` says of the catalogues that images come from."""

import dataclasses
import json
from pathlib import Path

import pytest

from image_catalogues import DAY_S, KEY, NOW_S, OTHER_KEY, Laptop, made_image, published, serving
from mptcp_appliance.image import Origin
from mptcp_check import clock, settings
from mptcp_check.doctor import catalogues
from mptcp_check.doctor.check import Check, Question, Status


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    """A computer whose clock is the catalogues'."""
    monkeypatch.setenv(settings.HOME, str(tmp_path / "home"))
    monkeypatch.setattr(clock, "wall_ns", lambda: NOW_S * 10**9)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return Laptop(home=tmp_path / "home" / "cache")


def said(laptop: Laptop) -> list[Check]:
    places = dataclasses.replace(settings.places(), images=laptop.images, catalogues=laptop.pins)
    return list(catalogues.catalogues(Question(places=places)))


def test_without_a_catalogue_nobody_is_asked(laptop: Laptop) -> None:
    assert said(laptop) == []


def test_a_catalogue_that_holds_is_named_with_its_key_and_version(
    laptop: Laptop, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    published(out, made_image(tmp_path / "image"))
    with serving(out) as (url, _):
        laptop.fetch(url, KEY.public)
        [check] = said(laptop)

    assert (check.status, check.advice) == (Status.PASS, "")
    assert check.detail == f"{url} is signed with {KEY.public.name}, version 1"


def test_a_newer_image_is_told(laptop: Laptop, tmp_path: Path) -> None:
    out = tmp_path / "out"
    published(out, made_image(tmp_path / "image"))
    laptop.fetch(str(out), KEY.public)
    published(out, made_image(tmp_path / "second", seed="second"))
    before = laptop.pins.read_bytes()

    [check] = said(laptop)

    assert (check.status, "a newer image" in check.detail) == (Status.WARN, True)
    assert "image fetch file:" in check.advice
    assert laptop.pins.read_bytes() == before  # a question changes nothing


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("other key", "signed with the key"),
        ("changed", "is refused"),
        ("gone", "catalogue.json"),
        ("older", "version 2 was seen before: an older one is refused"),
    ],
)
def test_a_catalogue_that_must_not_be_believed_is_told_and_stops_no_run(
    laptop: Laptop, tmp_path: Path, harm: str, words: str
) -> None:
    out, image = tmp_path / "out", made_image(tmp_path / "image")
    published(out, image)
    first = {p.name: p.read_bytes() for p in out.glob("catalogue.json*")}
    published(out, image)
    laptop.fetch(str(out), KEY.public)
    document = out / "catalogue.json"
    match harm:
        case "other key":
            for path in out.glob("catalogue.json*"):
                path.unlink()
            published(out, image, key=OTHER_KEY)
        case "changed":
            document.write_bytes(document.read_bytes().replace(b"laboratory", b"laboratorY"))
        case "gone":
            document.unlink()
        case "older":
            for name, content in first.items():
                (out / name).write_bytes(content)

    [check] = said(laptop)

    assert check.status is Status.WARN
    assert words in check.detail
    assert check.advice


def test_a_catalogue_that_expires_soon_is_told(laptop: Laptop, tmp_path: Path) -> None:
    out = tmp_path / "out"
    offered = published(out, made_image(tmp_path / "image"))
    laptop.fetch(str(out), KEY.public)
    [pin] = catalogues.rollback.pins(laptop.pins).values()
    here = Origin(catalogue=pin.url, added=1, fetched_s=NOW_S)

    for days, status in ((15, Status.PASS), (3, Status.WARN)):
        now_s = offered.expires_s - days * DAY_S
        check = catalogues.judge(pin, offered, here, architecture="amd64", now_s=now_s)
        assert check.status is status
    assert "it expires in 3 days" in check.detail
    assert "sign it again" in check.advice


def test_a_memory_that_cannot_be_read_is_told(laptop: Laptop) -> None:
    laptop.pins.parent.mkdir(parents=True)
    laptop.pins.write_text(json.dumps({"schema": "else"}))

    [check] = said(laptop)

    assert check.status is Status.WARN
    assert str(laptop.pins) in check.detail
