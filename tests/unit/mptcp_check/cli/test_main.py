import errno

import click
import pytest

from mptcp_appliance.errors import ImageError
from mptcp_check.cli import main as entry
from mptcp_check.errors import MachineError, PreflightError, ServerError, UsageError
from mptcp_upload.manifest import ManifestError


def run_with(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> int:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(entry.cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        entry.main([])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (UsageError("no run 'x'", hint="look"), 2, "mptcp-check: no run 'x'\n  next step: look\n"),
        (PreflightError("no qemu"), 3, "mptcp-check: no qemu\n"),
        (MachineError("it died"), 4, "mptcp-check: it died\n"),
        (ServerError("gone"), 5, "mptcp-check: gone\n"),
        (ImageError("wrong digest", hint="build"), 3, "wrong digest\n  next step: build\n"),
        (ManifestError("no manifest"), 2, "mptcp-check: no manifest\n"),
        (KeyboardInterrupt(), 130, "interrupted; nothing of this run is left"),
        (OSError(errno.ENOSPC, "No space", "/x"), 3, "no space left on the disk for /x"),
        (click.UsageError("bad option"), 2, "Error: bad option"),
    ],
)
def test_every_error_raised_on_purpose_is_a_line_and_the_contracts_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    line: str,
) -> None:
    assert run_with(monkeypatch, raised) == code
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("bug", [ValueError("a bug"), OSError(errno.EIO, "I/O error")])
def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch, bug: Exception) -> None:
    with pytest.raises(type(bug)):
        run_with(monkeypatch, bug)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ["run"]),
        (["--quick"], ["run", "--quick"]),
        (["--help"], ["--help"]),
        (["-h"], ["-h"]),
        (["--version"], ["--version"]),
        (["doctor"], ["doctor"]),
    ],
)
def test_without_a_command_run_is_meant(
    monkeypatch: pytest.MonkeyPatch, given: list[str], meant: list[str]
) -> None:
    seen: list[list[str]] = []
    parse = click.Group.parse_args

    def spy(self: click.Group, ctx: click.Context, args: list[str]) -> list[str]:
        seen.append(list(args))
        return parse(self, ctx, args)

    monkeypatch.setattr(click.Group, "parse_args", spy)
    monkeypatch.setattr(click.Context, "invoke", lambda *_, **__: None)
    with pytest.raises((SystemExit, click.exceptions.Exit)):
        entry.cli.main(given, standalone_mode=True)
    assert seen[0] == meant
