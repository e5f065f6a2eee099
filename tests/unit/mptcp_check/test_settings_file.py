import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check import settings, settings_file
from mptcp_check.errors import UsageError
from mptcp_check.settings_file import SETTINGS, Kind, Stored, parse, read

FILE = b"""
home = "~/measured"
[run]
server = "ssh:box.example.org"
iface = ["eth0", "wlan0"]
boot-timeout = 300
no-upload = true
[doctor]
iface = "eth0"
"""


def test_a_file_says_what_options_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")

    assert parse(FILE, where="f") == Stored(
        home=pathlib.Path("/home/u/measured"),
        commands={
            "run": {
                "server": "ssh:box.example.org",
                "interfaces": ("eth0", "wlan0"),
                "boot_timeout": 300,
                "no_upload": True,
            },
            "doctor": {"interfaces": ("eth0",)},
        },
    )


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        (b"[run\n", "f is not TOML: ", "correct the file"),
        (b"\xff", "f is not TOML: ", "correct the file"),
        (b"[run]\nsevrer = 'x'", "f: [run]: 'sevrer' means nothing", "did you mean 'server'?"),
        (b"[rnu]\nserver = 'x'", "f: 'rnu' means nothing", "did you mean 'run'?"),
        (b"server = 'x'", "f: 'server' means nothing", "there are home, run"),
        (b"run = 'x'", "f: 'run' means nothing", "did you mean 'run'?"),
        (b"home = 'here'", "f: home = 'here' is not a whole path", "correct the file"),
        (b"home = 1", "f: home = 1 is not a whole path", "correct the file"),
        (b"[run]\nserver = 1", "f: [run] server = 1 is not a text", "correct the file"),
        (b"[run]\ndepth = 'slow'", "[run] depth = 'slow' is not quick or default or full", ""),
        (b"[run]\niface = [1]", "[run] iface = [1] is not a list of texts", ""),
        (b"[run]\nboot-timeout = true", "boot-timeout = True is not a number", ""),
        (b"[run]\nno-upload = 'no'", "no-upload = 'no' is not true or false", ""),
        (b"[upload]\nconsent = 'c'", "[upload] consent = 'c' is not a whole path", ""),
        (b"#" * 70000, "f is longer than 65536 bytes", ""),
    ],
)
def test_what_means_nothing_is_one_line_that_says_where(text: bytes, line: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text, where="f")
    assert line in refused.value.message
    assert hint in refused.value.hint
    assert "\n" not in refused.value.message


KEYS = st.sampled_from([s.key for s in SETTINGS])
VALUES = st.sampled_from(["1", "true", "'x'", "['x']", "[1]", "{}", "1.5", "''", "nan"])


@given(
    st.binary()
    | st.builds(
        lambda command, key, value: f"[{command}]\n{key} = {value}".encode(),
        st.sampled_from([s.command for s in SETTINGS]),
        KEYS,
        VALUES,
    )
)
def test_no_file_raises_anything_else(content: bytes) -> None:
    try:
        stored = parse(content, where="f")
    except UsageError as e:
        assert e.exit_code == 2  # noqa: PT017 - not every text is refused
    else:
        kinds = {(s.command, s.parameter): s.kind for s in SETTINGS}
        for command, values in stored.commands.items():
            for parameter, value in values.items():
                many = kinds[command, parameter] is Kind.TEXTS
                assert isinstance(value, tuple) == many


def test_no_file_is_no_settings_and_an_unreadable_one_is_an_error(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path / "config.toml") == Stored()
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        read(tmp_path)


def test_the_file_moves_everything_but_itself(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(settings.HOME, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file = settings.file()
    file.parent.mkdir(parents=True)
    file.write_text(f'home = "{tmp_path}/all"\n')

    assert settings.places().runs == tmp_path / "all" / "runs"
    assert settings.file() == file == tmp_path / "config" / "mptcp-check" / "config.toml"
    monkeypatch.setenv(settings.HOME, str(tmp_path / "other"))
    assert settings.places().runs == tmp_path / "other" / "runs"
    assert settings_file.HOME == "home"
