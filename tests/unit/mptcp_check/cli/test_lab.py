"""`lab`: what is listed, and what is refused before anything is played."""

import json
from pathlib import Path

import pytest

from mptcp_check.catalogue import BEHAVIOURS as CATALOGUE
from mptcp_check.cli.main import main
from mptcp_check.lab.kernel_boxes import KERNEL_BOXES
from mptcp_check.middleboxes.registry import BEHAVIOURS


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        main(["lab", *words])
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_the_list_has_every_behaviour_with_its_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lab", "list", "--json"])

    assert ended.value.code == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["behaviours"]}
    assert set(rows) == set(BEHAVIOURS) | {f"kernel:{name}" for name in KERNEL_BOXES}
    assert all(row["does"] and row["consequence"] for row in rows.values())
    assert rows["mp_join_removed"]["does"] == CATALOGUE["mp_join_removed"].meaning
    assert {p["name"] for p in rows["payload_altered"]["parameters"]} >= {"skip_count", "ports"}


def test_the_list_for_people_names_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["lab", "list"])

    said = capsys.readouterr().out
    assert "payload_altered" in said
    assert "kernel:masquerade" in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "mp_join_droped"], "no behaviour is called 'mp_join_droped'"),
        (["run", "kernel:nat"], "no box of the kernel is called 'kernel:nat'"),
        (["run", "payload_altered:mask=0"], "payload_altered: mask must be"),
        (["run", "link", "--apps", "gopher"], "there is no application 'gopher'"),
        (["run", "kernel:synproxy", "--family", "ipv6"], "kernel:synproxy is for IPv4"),
        (["run", "link", "--out", "/run/here"], "/run/here is below /run"),
        (["matrix", "--behaviours", "nothing_known"], "no behaviour is called 'nothing_known'"),
        (["matrix", "--behaviours", "kernel:tproxy"], "kernel:tproxy is not in the matrix"),
        (["rewrite", "link", "/does/not/exist", "out"], "/does/not/exist cannot be read"),
        (["rewrite", "link", __file__, "out"], f"{__file__}: byte 0: no magic number"),
        (["rewrite", "link", __file__, "out", "--client", "me"], "--client me is not an address"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_the_next_step(
    words: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    said = refused(capsys, *words)

    assert said[0].startswith(f"mptcp-check: {line}")
    assert [text[:13] for text in said[1:]] in ([], ["  next step: "])
    assert list(tmp_path.iterdir()) == []


def test_a_capture_is_not_overwritten_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(b"0123")

    said = refused(capsys, "rewrite", "link", str(path), str(path))

    assert "is the input" in said[0]
    assert path.read_bytes() == b"0123"
