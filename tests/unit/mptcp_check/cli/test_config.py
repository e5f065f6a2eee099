"""Which settings hold: command line, environment, file, default, in this order."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from mptcp_check import settings
from mptcp_check.cli import run as run_module
from mptcp_check.cli.main import main
from mptcp_check.exchanges.scopes import Depth
from mptcp_check.run import RunOptions
from mptcp_check.settings_file import SETTINGS, Kind

Call = Callable[..., SimpleNamespace]

FILE = """
[run]
machine = "host"
depth = "quick"
iface = ["eth0", "eth1"]
server = "ssh:file"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(settings.HOME, str(tmp_path))
    return tmp_path


@pytest.fixture
def call(home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    assert home.is_dir()

    def called(*arguments: str) -> SimpleNamespace:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=said.out, err=said.err)

    return called


def shown(call: Call) -> dict[str, tuple[Any, str]]:
    done = call("config", "show", "--json")
    assert done.code == 0, done.err
    return {s["name"]: (s["value"], s["origin"]) for s in json.loads(done.out)["settings"]}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"{s.command}.{s.key}")
def test_each_setting_is_an_option_of_its_command(setting: Any) -> None:  # noqa: ANN401 - a Setting
    module = importlib.import_module(f"mptcp_check.cli.{setting.command}")
    command: click.Command = getattr(module, setting.command)
    options = [p for p in command.params if p.name == setting.parameter]

    assert options
    for option in options:
        assert isinstance(option, click.Option)
        assert f"--{setting.key}" in option.opts or setting.choices
        assert option.multiple == (setting.kind is Kind.TEXTS)
        assert (option.is_flag and not setting.choices) == (setting.kind is Kind.FLAG)
        numbers = isinstance(option.type, click.types.FloatParamType | click.types.IntParamType)
        assert numbers == (setting.kind is Kind.NUMBER)


def test_without_anything_the_defaults_hold(call: Call) -> None:
    found = shown(call)

    assert found["run.machine"] == ("auto", "default")
    assert found["run.iface"] == ([], "default")
    assert {origin for name, (_, origin) in found.items() if name != "home"} == {"default"}


def test_environment_goes_before_file_before_default(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.toml").write_text(FILE)
    monkeypatch.setenv("MPTCP_CHECK_RUN_SERVER", "ssh:environment")
    monkeypatch.setenv("MPTCP_CHECK_RUN_IFACE", "wlan0 wlan1")
    monkeypatch.setenv("MPTCP_CHECK_RUN_BOOT_TIMEOUT", "7")
    found, file = shown(call), str(home / "config.toml")

    assert found["home"] == (str(home), settings.HOME)
    assert found["run.server"] == ("ssh:environment", "MPTCP_CHECK_RUN_SERVER")
    assert found["run.iface"] == (["wlan0", "wlan1"], "MPTCP_CHECK_RUN_IFACE")
    assert found["run.boot-timeout"] == (7.0, "MPTCP_CHECK_RUN_BOOT_TIMEOUT")
    assert found["run.machine"] == ("host", file)
    assert found["run.depth"] == ("quick", file)
    assert found["run.apps"] == ("", "default")


def test_a_run_takes_its_options_from_there(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main job itself is another test's: here it ends as soon as it is asked."""
    (home / "config.toml").write_text(FILE)
    asked: list[RunOptions] = []

    def caught(options: RunOptions, _: object) -> None:
        asked.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "run_everything", caught)

    assert call("run", "--full", "--server", "ssh:said").code == 130
    assert call().code == 130
    first, second = asked
    assert (str(first.wanted.server), first.depth) == ("ssh:said", "full")
    assert (str(second.wanted.server), second.depth) == ("ssh:file", "quick")
    assert [i.name for i in second.wanted.interfaces] == ["eth0", "eth1"]
    assert second.wanted.machine.kind == "host"


def test_a_table_for_people_says_who_says_so(call: Call, home: Path) -> None:
    (home / "config.toml").write_text(FILE)

    plain, full = call("config", "show"), call("config", "show", "--origin")

    assert f"{home / 'config.toml'} is read" in plain.err
    assert "run.machine" in plain.out
    assert "origin" not in plain.out
    assert "default" in full.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nsevrer = 'x'", "config.toml: [run]: 'sevrer' means nothing"),
        ("[run", "config.toml is not TOML"),
        ("[run]\nboot-timeout = 0", "'--boot-timeout': 0.0 is not in the range"),
        ("[run]\nboot-timeout = nan", "'--boot-timeout': nan is not a number in the range"),
    ],
)
@pytest.mark.parametrize("command", [("run",), ("config", "show")])
def test_a_wrong_file_is_a_usage_error_of_every_command(
    call: Call, home: Path, text: str, said: str, command: tuple[str, ...]
) -> None:
    (home / "config.toml").write_text(text)

    done = call(*command)

    assert (done.code, said in done.err, "config.toml" in done.err) == (2, True, True)
    assert [p.name for p in home.iterdir()] == ["config.toml"]


def test_a_wrong_value_from_the_environment_is_said_to_be_from_there(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPTCP_CHECK_RUN_BOOT_TIMEOUT", "soon")

    done = call("run")

    assert done.code == 2
    assert "'soon' is not a valid float" in done.err
    assert "it comes from the environment" in done.err


@pytest.mark.parametrize("said", ["nonsense", "1", "QUICK"])
@pytest.mark.parametrize("command", [("run",), ("run", "--plan"), ("config", "show")])
def test_a_depth_that_there_is_not_is_no_default(
    call: Call, monkeypatch: pytest.MonkeyPatch, said: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MPTCP_CHECK_RUN_DEPTH", said)

    done = call(*command)

    wrong = f"MPTCP_CHECK_RUN_DEPTH = '{said}' is not quick or default or full or metered"
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"mptcp-check: {wrong}"


@pytest.mark.parametrize("depth", list(Depth))
def test_a_depth_from_the_environment_goes_before_the_file_and_after_the_command_line(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch, depth: Depth
) -> None:
    (home / "config.toml").write_text('[run]\ndepth = "quick"')
    monkeypatch.setenv("MPTCP_CHECK_RUN_DEPTH", depth)

    assert shown(call)["run.depth"] == (depth, "MPTCP_CHECK_RUN_DEPTH")
    planned = call("run", "--plan", "--metered", "--json")
    assert json.loads(planned.out)["depth"] == "metered"


@pytest.mark.parametrize("variable", ["BOOT_TIMEOUT", "NO_UPLOAD", "FAIL_ON", "PLAN", "JSON"])
def test_a_wrong_value_of_any_variable_is_an_error(
    call: Call, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(f"MPTCP_CHECK_RUN_{variable}", "nan")

    done = call("run")

    assert done.code == 2
    assert f"'--{variable.lower().replace('_', '-')}': " in done.err


def test_a_variable_is_called_as_its_option(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPTCP_CHECK_RUN_JSON", "1")
    monkeypatch.setenv("MPTCP_CHECK_LAB_LIST_JSON", "1")

    assert json.loads(call("run", "--plan").out)["schema"] == "mptcp-check.plan/1"
    assert json.loads(call("lab", "list").out)["schema"] == "mptcp-check.lab/1"


def test_help_is_there_whatever_the_file_says(call: Call, home: Path) -> None:
    (home / "config.toml").write_text("[run")
    assert call("--help").code == 0
