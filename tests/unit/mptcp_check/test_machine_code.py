"""Compiling in another process: it answers, and is gone when it is not needed."""

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from mptcp_check import machine_code
from mptcp_check.analysis.capture import kernel_calls
from mptcp_check.machine_code import Compiler

SERVE = ("mptcp_check.analysis.capture.kernel_compiler", "serve")
BYTE = ("mptcp_check.analysis.capture.kernels", "be16", (np.empty(0, np.uint8), 0))


def children(parent: str = "self") -> set[str]:
    found: set[str] = set()
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(OSError):  # a thread of another test that has just ended
            found.update((task / "children").read_text().split())
    return found


def test_another_process_compiles_and_ends_by_itself() -> None:
    before = children()
    compiler = Compiler(SERVE)
    code, symbol, note = compiler.ask(BYTE)

    assert code.startswith(machine_code.ELF_MAGIC)
    assert "be16" in symbol
    assert note == "int"
    (child,) = children() - before
    for _ in range(int(60 / 0.05)):
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    assert Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
    # and is started again for the next question
    assert compiler.ask(BYTE)[2] == "int"
    compiler.close()
    assert children() <= before  # who was there may have ended meanwhile


def test_without_another_process_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Compiler(("nowhere", "at_all")).ask(BYTE) is None
    monkeypatch.setattr(machine_code.sys, "executable", "/nowhere/python")
    assert Compiler(SERVE).ask(BYTE) is None


def test_what_is_asked_has_the_types_and_none_of_the_data() -> None:
    table = kernel_calls.like((np.ones((3, 2), np.uint16), 7, (np.ones(4),)))

    assert (table[0].shape, table[0].dtype) == ((0, 0), np.uint16)
    assert table[1] == 7
    assert table[2][0].shape == (0,)
