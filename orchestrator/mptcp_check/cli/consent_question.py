"""Ask what may leave this computer: once, on a terminal, for each purpose by itself.

Nobody is asked in the dark, Enter alone is no answer, and a question that is left is one that was
not answered: nothing leaves and the next upload asks again. A "no" is an answer, and is kept.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import click
import zstandard
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from mptcp_check.cli import live, upload_places
from mptcp_check.run_directory import StoredRun
from mptcp_upload import consent as consents
from mptcp_upload import preparing
from mptcp_upload.consent import Consent, Purpose
from mptcp_upload.errors import ConsentError

ANSWERS: Final = {"yes": True, "y": True, "no": False, "n": False}
TRY_COUNT: Final = 5
"""How often something else than yes or no is asked about again."""
WIDTH: Final = 78
_LEVEL: Final = 3
"""Of zstd: near enough to the bundle's to say how much it will be."""

QUESTIONS: Final = {
    Purpose.VERDICT: "Send the verdict?",
    Purpose.TRACES: "Send the traces too?",
    Purpose.PUBLISH: "May it be published?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much would leave, about."""

    verdict_bytes: int
    traces_bytes: int


def can_ask() -> bool:
    """Say whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def sizes(runs: Iterable[StoredRun]) -> Sizes:
    """Return how much of some runs would leave."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    verdicts = traces = 0
    for run in runs:
        for name in run.manifest["members"]:
            if name in preparing.LEFT_OUT:
                continue
            size = len(compressor.compress((run.directory / name).read_bytes()))
            if name.endswith(preparing.CAPTURES):
                traces += size
            else:
                verdicts += size
    return Sizes(verdict_bytes=verdicts, traces_bytes=traces)


def ask(how_much: Sizes, *, collector: str) -> Consent:
    """Ask, and keep the answer, also a "no".

    Args:
        how_much: Would leave.
        collector: URL of who would get it.

    Raises:
        ConsentError: The question was left without an answer.
        KeyboardInterrupt: As that, by Ctrl-C; nothing is kept either.
        OSError: The answer cannot be written.
    """
    console = live.console()
    console.width = min(console.width, WIDTH)
    _introduce(console, collector)
    purposes = {Purpose.ANALYSE}
    for number, (purpose, question) in enumerate(QUESTIONS.items(), 1):
        title, words = consents.titled(
            purpose, verdict_bytes=how_much.verdict_bytes, traces_bytes=how_much.traces_bytes
        )
        console.print(Text(f"{number}. {title}", style="bold"))
        console.print(Padding(Text(words), (0, 0, 0, 3)))
        if _answer(f"   {question}"):
            purposes.add(purpose)
        elif purpose is Purpose.VERDICT:
            break  # the others are nothing without it
        console.print()
    answer = consents.agreed(purposes)
    consents.write(upload_places.consent(), answer)
    console.print(_conclusion(answer))
    return answer


def _introduce(console: Console, collector: str) -> None:
    console.print()
    console.print(Text.assemble("Share this with ", (collector, "bold"), "?"))
    console.print(
        Text(
            "The measurement is done and kept on this computer; nothing has left it. You are asked"
            " once. Before anything leaves, IP addresses, MAC addresses, and the names of this"
            " computer and its users are replaced; the key to that stays here."
        )
    )
    console.print()


def _answer(question: str) -> bool:
    for _ in range(TRY_COUNT):
        click.echo(f"{question} Type yes or no: ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            click.echo(err=True)
            break
        found = ANSWERS.get(line.strip().lower())
        if found is not None:
            return found
        click.echo("   That was neither.", err=True)
    raise ConsentError(
        "the question was not answered, so nothing leaves this computer",
        hint="`mptcp-check upload` asks again",
    )


def _conclusion(answer: Consent) -> Text:
    if Purpose.VERDICT not in answer.purposes:
        return Text(
            "Nothing leaves this computer. `mptcp-check upload last` asks again.", style="bold"
        )
    return Text("Thank you. `mptcp-check upload --withdraw-consent` takes this back.", style="bold")
