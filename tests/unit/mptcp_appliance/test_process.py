import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mptcp_appliance import process
from mptcp_appliance.errors import ImageError


def run(*arguments: str, stdin_text: str | None = None) -> tuple[list[str], int]:
    """Run a tool; returns its lines and how often it was silent."""
    lines: list[str] = []
    silences: list[None] = []
    process.run(
        arguments,
        on_line=lines.append,
        on_silence=lambda: silences.append(None),
        stdin_text=stdin_text,
    )
    return lines, len(silences)


def alive(pid: int) -> bool:
    """Whether a process is there and not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lines_of_both_outputs_arrive_the_last_one_without_its_end_too() -> None:
    lines, _ = run("sh", "-c", "echo one; echo two >&2; printf three")

    assert lines == ["one", "two", "three"]


def test_a_tool_reads_what_it_is_given() -> None:
    assert run("cat", stdin_text="a\nb\n")[0] == ["a", "b"]


def test_silence_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SILENCE_S", 0.05)

    _, silences = run("sh", "-c", "sleep 0.5; echo done")

    assert silences >= 2


def test_a_missing_tool_is_named_with_its_package() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        with pytest.raises(ImageError, match="needs mmdebstrap, mksquashfs") as caught:
            process.require("mmdebstrap", "mksquashfs")
    assert caught.value.hint == "run: apt install mmdebstrap squashfs-tools"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("E: write failed: No space left on device", "free some disk space"),
        ("Err:1 http://m.invalid Temporary failure resolving 'm.invalid'", "check the network"),
        ("E: newuidmap failed", "apt install uidmap"),
        ("E: unable to pick chroot mode automatically (use --mode …)", "--add-subuids"),
        ("E: something new", ""),
    ],
)
def test_a_failing_tool_gives_its_last_words_and_a_way_out(words: str, hint: str) -> None:
    with pytest.raises(ImageError, match="sh failed") as caught:
        run("sh", "-c", 'echo "$0"; exit 3', words)

    assert words in caught.value.message
    assert "status 3" in caught.value.message
    assert hint in caught.value.hint
    assert bool(hint) is bool(caught.value.hint)


@pytest.mark.parametrize(
    ("tool", "good"), [("true", True), ("false", False), ("no-such-tool-anywhere", False)]
)
def test_a_tool_is_tried(tool: str, good: bool) -> None:  # noqa: FBT001 - a case
    assert process.succeeds([tool]) is good


def test_an_interrupted_tool_and_its_children_are_gone() -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.extend(map(int, line.split()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.run(
            ["sh", "-c", "sleep 60 & echo $$ $!; wait"],
            on_line=interrupt,
            on_silence=lambda: None,
        )

    assert len(pids) == 2
    # the kernel takes a moment to end what was killed
    for _ in range(1000):
        if not any(alive(pid) for pid in pids):
            break
        time.sleep(0.01)
    assert not any(alive(pid) for pid in pids)


def test_a_tool_keeps_a_descriptor_open_only_if_it_is_told() -> None:
    reading, writing = os.pipe()
    code = f"import os; os.fstat({writing})"
    try:
        with process.running([sys.executable, "-c", code], keep_open=(writing,)) as child:
            assert process.wait(child, on_silence=lambda: None) == 0
        with process.running([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as child:
            assert process.wait(child, on_silence=lambda: None) == 1
    finally:
        for descriptor in (reading, writing):
            with contextlib.suppress(OSError):
                os.close(descriptor)
