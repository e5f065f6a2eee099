"""Which accelerator QEMU can really use here: found by a boot with a deadline, never by a file.

A /dev/kvm that opens proves nothing: under some hypervisors it is there and every guest dies or
hangs (measured: 'failed to set MSR 0x10a'; 40 s of silence).  So the image's own kernel is booted
once with the word ``mptcp_check.boot_probe=1``; what prints the agreed line in time is used.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.machines import process
from mptcp_check.machines.hardware import AMD64, Hardware

CANDIDATES: Mapping[str, tuple[str, ...]] = {"linux": ("kvm",), "darwin": ("hvf",)}
"""Hardware accelerators to try, by `sys.platform`; TCG, software emulation, needs no trial."""

BOOT_LINE = b"mptcp-check: boot ok"
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """How QEMU runs the guest's instructions."""

    name: str
    """``kvm``, ``hvf`` or ``tcg``."""
    reason: str
    """Why this one, in words for the report."""
    hardware: Hardware = AMD64
    """What it runs: a computer of the image's architecture."""


def find(
    *,
    hardware: Hardware,
    boot_arguments: Sequence[str],
    key: str,
    record: Path,
    scratch: Path,
    progress: Callable[[str], None],
    candidates: Sequence[str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Accelerator:
    """Return the fastest accelerator that boots the image here; the answer is kept in ``record``.

    Args:
        hardware: For the image's architecture.
        boot_arguments: Arguments that boot the image with the probe word.
        key: What the answer depends on (image, QEMU, host kernel); another key asks again.
        record: JSON file that keeps answers by key.
        scratch: Folder for the trial's console.
        progress: Called with one line for each trial that takes time.
        candidates: Accelerators to try; none means this platform's.
        deadline_s: How long one trial may take.
    """
    answers = _read(record)
    if key in answers:
        answer = answers[key]
        return Accelerator(name=answer["name"], reason=answer["reason"], hardware=hardware)
    reasons = []
    chosen = None
    for name in CANDIDATES.get(sys.platform, ()) if candidates is None else candidates:
        progress(f"Trying whether {name.upper()} can run a guest here (at most {deadline_s:.0f} s)")
        argv = _command(name, hardware=hardware, boot_arguments=boot_arguments, scratch=scratch)
        trouble = _trial(name, argv, scratch=scratch, deadline_s=deadline_s)
        if trouble is None:
            chosen = Accelerator(
                name=name, reason="a guest booted with it in time", hardware=hardware
            )
            break
        reasons.append(f"{name.upper()} cannot be used: {trouble}")
    found = chosen or Accelerator(
        name="tcg", reason="; ".join(reasons) or "no hardware help here", hardware=hardware
    )
    answers[key] = {"name": found.name, "reason": found.reason}
    record.parent.mkdir(parents=True, exist_ok=True)
    temporary = record.with_suffix(".new")
    temporary.write_text(json.dumps(answers, indent=2))
    temporary.replace(record)
    return found


def known(record: Path, *, key: str) -> tuple[Accelerator, ...]:
    """Return the answers that earlier runs found, oldest first.

    Args:
        record: See `find`.
        key: How their keys begin.
    """
    return tuple(
        Accelerator(name=a["name"], reason=a["reason"])
        for asked, a in _read(record).items()
        if asked.startswith(key)
    )


def _read(record: Path) -> dict[str, dict[str, str]]:
    try:
        known = json.loads(record.read_text())
        return {k: {"name": str(v["name"]), "reason": str(v["reason"])} for k, v in known.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # a lost record costs one more trial


def _command(
    name: str, *, hardware: Hardware, boot_arguments: Sequence[str], scratch: Path
) -> list[str]:
    return [
        hardware.program,
        *hardware.words(name),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{_console(name, scratch)}"),
        *("-pidfile", str(scratch / f"boot-probe-{name}.pid")),
        *boot_arguments,
    ]


def _console(name: str, scratch: Path) -> Path:
    return scratch / f"boot-probe-{name}.console"


def _trial(name: str, argv: Sequence[str], *, scratch: Path, deadline_s: float) -> str | None:
    console = _console(name, scratch)
    console.touch(mode=0o600)
    child = process.start(f"boot with {name}", argv, log=scratch / f"boot-probe-{name}.log")
    try:
        ended = child.wait(deadline_s)
    finally:
        child.kill()
    if BOOT_LINE in console.read_bytes():
        return None
    if not ended:
        return f"a guest did not boot within {deadline_s:.0f} s"
    said = child.log_tail().splitlines()
    return f"QEMU ended with '{said[0].strip()}'" if said else "QEMU ended without a word"
