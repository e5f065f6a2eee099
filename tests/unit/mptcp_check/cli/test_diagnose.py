import gc
import json
from pathlib import Path

import pytest

from mptcp_check.cli import main as entry
from mptcp_check.cli.diagnose import uncollected
from traces import TWO_PATHS, pcaps


def run(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        entry.main(["diagnose", *map(str, arguments)])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def files(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number}.pcap" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_two_captures_of_one_exchange_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, *files(tmp_path, *pcaps(TWO_PATHS)), "--json")

    document = json.loads(out)
    assert (code, document["problems"], len(document["connections"])) == (0, [], 1)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (pcaps("0.000 9 > SYN tsval=1\n0.020 9 < SYN/ACK")[1], "no connection in common"),
        (pcaps("")[1], "the server's capture holds no TCP segment"),
    ],
)
def test_captures_that_show_no_path_are_refused_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: bytes, sentence: str
) -> None:
    code, out, err = run(capsys, *files(tmp_path, pcaps(TWO_PATHS)[0], other), "--json")

    assert code == 2
    assert sentence in err
    document = json.loads(out)
    assert any(sentence in problem for problem in document["problems"])
    assert all(finding["state"] != "seen" for finding in document["findings"])


def test_the_collector_is_as_it_was_afterwards() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
