"""The question what may leave, on a real terminal, answered as people do."""

import json
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "mptcp_upload"))  # the collector of its tests
from a_collector import PUBLIC, Collector, collector

from a_stored_run import RUN, stored_run
from mptcp_upload import bundle
from mptcp_upload import consent as consents
from mptcp_upload.consent import Purpose
from terminal import END_OF_FILE, INTERRUPT, Terminal, on_terminal

AFTER_RUN = """
import sys
from pathlib import Path
from mptcp_check.cli import run_upload
from mptcp_check.cli.collector_options import UploadWish
wish = UploadWish(no_upload=False, collector=None, collector_key=None, consent_file=None)
done = run_upload.after_run(wish, Path(sys.argv[1]))
print(done)
sys.exit(done.exit_code)
"""
"""What `run` does when it has measured."""
INTERRUPTED = 130
EVERYTHING = consents.agreed([Purpose.VERDICT, Purpose.TRACES])
UPLOAD = "import sys; from mptcp_check.cli.main import main; main(sys.argv[1:])"


@pytest.fixture
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return stored_run(tmp_path / "runs" / RUN)


@contextmanager
def asked(
    run: Path, server: Collector, program: str = AFTER_RUN, *arguments: str, columns: int = 80
) -> Iterator[Terminal]:
    environment = {
        "MPTCP_CHECK_HOME": str(run.parents[1]),
        "PYTHONPATH": ":".join(sys.path),
        "TERM": "xterm-256color",
    }
    (run.parents[1] / "collector.json").write_text(
        json.dumps({"url": server.url, "keys": {server.url: PUBLIC}})
    )
    command = [sys.executable, "-c", program, *(arguments or (str(run),))]
    with on_terminal(command, environment, columns=columns) as terminal:
        yield terminal


def kept(run: Path) -> list[str] | None:
    path = run.parents[1] / "consent.json"
    return json.loads(path.read_text())["purposes"] if path.exists() else None


def in_outbox(run: Path) -> bool:
    return (run.parents[1] / "outbox" / RUN).exists()


def test_who_agrees_is_asked_for_each_purpose_and_never_again(run: Path, server: Collector) -> None:
    with asked(run, server) as terminal:
        terminal.expect(f"Share this with {server.url}?")
        terminal.expect("The verdict, about ")
        terminal.expect("Type yes or no: ")
        terminal.type(b"yes\n")
        terminal.expect("The traces, about ")
        terminal.expect("Type yes or no: ")
        terminal.type(b"n\n")
        terminal.expect("Publication")
        terminal.expect("Type yes or no: ")
        terminal.type(b"Y\n")
        terminal.expect(f"is received: {server.url}/runs/{RUN}")
        assert terminal.end() == 0
    assert kept(run) == ["analyse_here", "publish", "upload_verdict"]
    names = bundle.read(server.runs[RUN]).names
    assert "report.json" in names
    assert not any(name.endswith(".pcapng") for name in names)
    with asked(run, server) as terminal:
        assert terminal.end() == 0
    assert "yes or no" not in terminal.text


def test_no_is_an_answer_and_is_not_asked_about_again(run: Path, server: Collector) -> None:
    with asked(run, server) as terminal:
        terminal.expect("Type yes or no: ")
        terminal.type(b"no\n")
        terminal.expect("Nothing leaves this computer.")
        assert terminal.end() == 0
    assert "traces, about" not in terminal.text
    assert kept(run) == ["analyse_here"]
    with asked(run, server) as terminal:
        assert terminal.end() == 0
    assert "yes or no" not in terminal.text
    assert (server.runs, in_outbox(run)) == ({}, False)


@pytest.mark.parametrize(
    ("first", "keys", "code"),
    [
        (b"", INTERRUPT, 130),
        (b"yes\n", INTERRUPT, 130),
        (b"yes\n", END_OF_FILE, 7),
        (b"", b"perhaps\n\n1\ny es\n\x1b[A\n", 7),
    ],
)
def test_a_question_that_is_left_is_no_consent(
    run: Path, server: Collector, first: bytes, keys: bytes, code: int
) -> None:
    said = "the run is kept in" if code == INTERRUPTED else "the question was not answered"
    with asked(run, server) as terminal:
        terminal.expect("Send the verdict? Type yes or no: ")
        if first:
            terminal.type(first)
            terminal.expect("Send the traces too? Type yes or no: ")
        terminal.type(keys)
        terminal.expect(said)
        assert terminal.end() == code
    assert "Traceback" not in terminal.text
    assert (kept(run), server.runs, in_outbox(run)) == (None, {}, False)
    assert (run / "manifest.json").exists()


def test_nonsense_is_asked_about_again(run: Path, server: Collector) -> None:
    with asked(run, server) as terminal:
        terminal.expect("Type yes or no: ")
        terminal.type(b"sure, why not\n")
        terminal.expect("That was neither.")
        terminal.expect("Send the verdict? Type yes or no: ")
        terminal.type(b" YES \n")
        terminal.expect("Send the traces too?")
        terminal.type(b"no\nno\n")
        terminal.expect("is received")
        assert terminal.end() == 0
    assert kept(run) == ["analyse_here", "upload_verdict"]


@pytest.mark.parametrize("columns", [40, 80])
def test_the_question_fits_the_terminal(run: Path, server: Collector, columns: int) -> None:
    with asked(run, server, columns=columns) as terminal:
        for _ in range(3):
            terminal.expect("Type yes or no: ")
            terminal.type(b"yes\n")
        assert terminal.end() == 0
    asked_for = terminal.text.partition("Thank you")[0]
    lines = [line.replace("Type yes or no: yes", "") for line in asked_for.splitlines()]
    assert max(map(len, lines)) <= min(columns, 80)


def test_who_said_no_and_uploads_is_asked_again(run: Path, server: Collector) -> None:
    (run.parents[1] / "consent.json").write_text(
        json.dumps(
            {"schema": "mptcp-check.consent/1", "text_version": 1, "purposes": ["analyse_here"]}
        )
    )
    with asked(run, server, UPLOAD, "upload", "last") as terminal:
        terminal.expect("Send the verdict?")
        terminal.type(b"no\n")
        terminal.expect("you did not agree to: upload verdict")
        assert terminal.end() == 7
    with asked(run, server, UPLOAD, "upload", "last") as terminal:
        for _ in range(3):
            terminal.expect("Type yes or no: ")
            terminal.type(b"yes\n")
        terminal.expect("is received")
        assert terminal.end() == 0
    with asked(run, server, UPLOAD, "upload", "--withdraw-consent") as terminal:
        terminal.expect("Your consent is withdrawn")
        assert terminal.end() == 0
    with asked(run, server) as terminal:
        assert terminal.end() == 0
    assert "yes or no" not in terminal.text


def test_on_a_terminal_progress_is_one_line_that_changes(run: Path, server: Collector) -> None:
    with asked(run, server, UPLOAD, "upload", "last", "--rate", "0.2") as terminal:
        for _ in range(3):
            terminal.expect("Type yes or no: ")
            terminal.type(b"yes\n")
        terminal.expect("left")
        terminal.expect("100 % of")
        assert terminal.end() == 0
    shown = terminal.text.partition("Preparing")[2]
    (line,) = [line for line in shown.split("\n") if "100 % of" in line]
    assert line.count(" % of") > 1
    assert line.count("\r") >= line.count(" % of") - 1
    assert stat.S_IMODE((run.parents[1] / "outbox" / RUN / "state.json").stat().st_mode) == 0o600


def test_an_upload_that_is_interrupted_goes_on_where_it_was(run: Path, server: Collector) -> None:
    consents.write(run.parents[1] / "consent.json", EVERYTHING)
    slowly = ("upload", "last", "--rate", "0.05")
    with asked(run, server, UPLOAD, *slowly) as terminal:
        terminal.expect("left")
        terminal.type(INTERRUPT)
        terminal.expect("interrupted; `mptcp-check upload` goes on where it stopped")
        assert terminal.end() == INTERRUPTED
    assert "Traceback" not in terminal.text
    ((_, octets, size_bytes),) = server.uploads.values()
    assert 0 < len(octets) < size_bytes
    with asked(run, server, UPLOAD, "upload") as terminal:
        terminal.expect("is received")
        assert terminal.end() == 0
    assert (len(server.uploads), server.stored_count) == (1, 1)
