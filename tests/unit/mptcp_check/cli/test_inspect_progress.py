"""The progress bar: for captures that take their time, where somebody looks."""

import io
import time

import pytest
from rich.console import Console

from mptcp_check.cli import inspect_progress
from mptcp_check.cli.inspect_progress import SlowProgress


def terminal() -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, force_terminal=True, width=100), screen


def shown(screen: io.StringIO, text: str, limit_s: float = 120) -> bool:
    for _ in range(int(limit_s / 0.02)):
        if text in screen.getvalue():
            return True
        time.sleep(0.02)
    return False


def test_what_takes_its_time_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_progress, "PATIENCE_S", 0.01)
    console, screen = terminal()
    with SlowProgress(console, "big.pcap") as progress:
        progress(3 << 20, 9 << 20)
        assert shown(screen, "3.0 MiB of 9.0 MiB")
        progress(4 << 20, None)
        assert shown(screen, "4.0 MiB")
        progress.counted(17, 1_000)
        assert shown(screen, "17 of 1,000")
        progress.say("and now?")
        assert shown(screen, "and now?")
    assert "big.pcap" in screen.getvalue()


def test_what_is_done_soon_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_progress, "PATIENCE_S", 3600.0)  # a busy computer may take long
    console, screen = terminal()
    with SlowProgress(console, "small.pcap") as progress:
        progress(1, 1)

    assert screen.getvalue() == ""


def test_nothing_is_shown_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_progress, "PATIENCE_S", 0.0)
    screen = io.StringIO()
    with SlowProgress(Console(file=screen), "big.pcap") as progress:
        progress(1, 2)
        time.sleep(0.1)

    assert screen.getvalue() == ""
