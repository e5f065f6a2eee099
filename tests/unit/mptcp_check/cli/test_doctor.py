import io
import json

import click.testing
import pytest
from rich.console import Console

from mptcp_check.cli import doctor as command
from mptcp_check.doctor import Check, Examined, Question, Section, Status
from mptcp_check.errors import UsageError

GOOD = Check(name="Python", status=Status.PASS, detail="3.11.2")
SLOW = Check(name="Acceleration", status=Status.WARN, detail="emulation", advice="nothing to do")
BAD = Check(name="QEMU", status=Status.FAIL, detail="not installed", advice="install qemu")


def examined(*checks: Check) -> tuple[Examined, ...]:
    sections = {"Python": Section.COMPUTER}
    return tuple(
        Examined(number=n, section=sections.get(c.name, Section.MACHINES), check=c)
        for n, c in enumerate(checks, 1)
    )


def shown(*checks: Check, width: int = 80, asked_server: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    command.show(console, examined(*checks), asked_server=asked_server)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_checks_are_numbered_in_their_sections_with_what_to_do() -> None:
    lines = [line.rstrip() for line in shown(GOOD, SLOW, BAD).splitlines()]

    assert lines[:8] == [
        "This computer",
        "  1  ✓ PASS  Python        3.11.2",
        "",
        "Virtual machines",
        "  2  ! WARN  Acceleration  emulation",
        "                           → nothing to do",
        "  3  ✗ FAIL  QEMU          not installed",
        "                           → install qemu",
    ]
    assert lines[-1] == "The main job cannot run here yet: check 3 failed."


@pytest.mark.parametrize(
    ("checks", "last"),
    [
        ([GOOD], "The main job can run here."),
        ([GOOD, SLOW], "The main job can run here, with 1 warning (2)."),
        ([SLOW, SLOW], "The main job can run here, with 2 warnings (1, 2)."),
        ([BAD, SLOW, BAD], "The main job cannot run here yet: checks 1, 3 failed."),
    ],
)
def test_the_last_line_says_what_they_amount_to(checks: list[Check], last: str) -> None:
    assert shown(*checks).rstrip().splitlines()[-1] == last


def test_what_was_not_looked_at_is_said() -> None:
    assert "Not looked at: server" in shown(GOOD)
    assert "Not looked at" not in shown(GOOD, asked_server=True)


def test_long_lines_stay_in_their_column() -> None:
    long = Check(name="Python", status=Status.WARN, detail="word " * 30, advice="advice " * 20)
    lines = shown(long, width=60).splitlines()[2:-3]
    assert all(line[:21].strip() == "" for line in lines if line.strip())
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--server", "nonsense"], "'nonsense' is not a measurement server"),
        (["--server", "http://m.example"], "is not a measurement server"),
        (["--server", "none.toml"], "none.toml cannot be read"),
        (["--iface", "a/b"], "'a/b' is not the name of a network interface"),
    ],
)
def test_what_run_would_not_take_is_refused(arguments: list[str], words: str) -> None:
    result = click.testing.CliRunner().invoke(command.doctor, arguments, standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert words in result.exception.message


@pytest.mark.parametrize(("checks", "code"), [([GOOD, SLOW], 0), ([GOOD, BAD], 3)])
def test_a_failed_check_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, checks: list[Check], code: int
) -> None:
    asked: list[Question] = []

    def examine(question: Question) -> tuple[Examined, ...]:
        asked.append(question)
        return examined(*checks)

    monkeypatch.setattr(command, "examine", examine)
    arguments = ["--json", "--iface", "en0", "--iface", "en1", "--server", "https://m.example"]
    result = click.testing.CliRunner().invoke(command.doctor, arguments, standalone_mode=False)

    assert result.return_value == code
    assert asked[0].interfaces == ("en0", "en1")
    assert str(asked[0].server) == "https://m.example"
    document = json.loads(result.stdout)
    assert document["schema"] == "mptcp-check.doctor/1"
    assert document["checks"][0] == {
        "number": 1,
        "section": "This computer",
        "name": "Python",
        "status": "PASS",
        "detail": "3.11.2",
        "advice": "",
    }
