import json
from pathlib import Path

import pytest

from mptcp_upload import consent
from mptcp_upload.consent import Purpose, agreed
from mptcp_upload.errors import ConsentError


def test_an_answer_is_kept_and_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "home" / "consent.json"
    consent.write(path, agreed([Purpose.VERDICT, Purpose.PUBLISH]))

    assert consent.read(path).purposes == {Purpose.VERDICT, Purpose.PUBLISH}
    assert consent.withdraw(path)
    assert not consent.withdraw(path)
    with pytest.raises(ConsentError, match="did not agree to: upload verdict") as caught:
        consent.read(path).require(Purpose.VERDICT)
    assert caught.value.exit_code == 7


def test_where_nobody_was_asked_nothing_is_withdrawn(tmp_path: Path) -> None:
    assert not consent.withdraw(tmp_path / "consent.json")
    with pytest.raises(ConsentError, match="nobody agreed"):
        consent.read(tmp_path / "consent.json")


@pytest.mark.parametrize("text", ["{", '{"schema": "mptcp-check.consent/1", "text_version": 0}'])
def test_an_answer_that_cannot_be_read_is_withdrawn_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "consent.json"
    path.write_text(text)

    assert consent.withdraw(path)
    assert consent.read(path).purposes == {Purpose.ANALYSE}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"schema": "other", "text_version": 1, "purposes": []},
        {"schema": consent.SCHEMA, "text_version": 1, "purposes": ["everything"]},
        {"schema": consent.SCHEMA, "text_version": 1, "purposes": 7},
        {"schema": consent.SCHEMA, "text_version": 1, "purposes": ["upload_traces"]},
        {"schema": consent.SCHEMA, "text_version": 1, "purposes": ["publish"]},
    ],
)
def test_what_is_no_answer_is_no_consent(tmp_path: Path, document: object) -> None:
    (tmp_path / "c.json").write_text(json.dumps(document))

    with pytest.raises(ConsentError):
        consent.read(tmp_path / "c.json")


def test_an_answer_to_another_text_is_asked_again(tmp_path: Path) -> None:
    former = {**agreed([Purpose.VERDICT]).document(), "text_version": consent.TEXT_VERSION - 1}
    (tmp_path / "c.json").write_text(json.dumps(former))

    with pytest.raises(ConsentError, match="answers version 0 of the text, now it is 1"):
        consent.read(tmp_path / "c.json")


def test_the_text_says_how_much_leaves() -> None:
    said = {
        p: " ".join(consent.titled(p, verdict_bytes=40_000, traces_bytes=12_900_000))
        for p in Purpose
    }

    assert "about 40 kB" in said[Purpose.VERDICT]
    assert "about 12.9 MB" in said[Purpose.TRACES]
    assert "{" not in "".join(said.values())


def test_to_agree_to_one_purpose_is_not_to_agree_to_another() -> None:
    given = agreed([Purpose.VERDICT])

    given.require(Purpose.VERDICT)
    for other in (Purpose.TRACES, Purpose.PUBLISH, Purpose.ANALYSE):
        with pytest.raises(ConsentError):
            given.require(other)
