"""What the user agreed to, in which words: versioned, per purpose, never assumed."""

import contextlib
import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mptcp_upload import durable
from mptcp_upload.errors import ConsentError

TEXT_VERSION: Final = 1
"""A new number when what is asked for changes: older answers are then asked again."""
SCHEMA: Final = "mptcp-check.consent/1"


class Purpose(enum.StrEnum):
    """What can be agreed to; each includes nothing of the others."""

    ANALYSE = "analyse_here"
    VERDICT = "upload_verdict"
    TRACES = "upload_traces"
    PUBLISH = "publish"


TITLES: Final[dict[Purpose, str]] = {
    Purpose.ANALYSE: "Analyse here",
    Purpose.VERDICT: "The verdict, about {verdict}",
    Purpose.TRACES: "The traces, about {traces}",
    Purpose.PUBLISH: "Publication",
}
TEXTS: Final[dict[Purpose, str]] = {
    Purpose.ANALYSE: (
        "Packets between this computer and the measurement server are captured and kept in your"
        " data folder. Nothing leaves this computer."
    ),
    Purpose.VERDICT: (
        "What the path did to Multipath TCP, the counters and logs of the exchanges, and the"
        " versions of the software."
    ),
    Purpose.TRACES: (
        "The captured packets themselves, with the same replacements. Their payload is test data"
        " of this program. Times, packet sizes and TCP timestamps stay as they were: somebody who"
        " recorded your network could recognise them."
    ),
    Purpose.PUBLISH: (
        "What you send may be shown to everybody and become part of a public data set. You keep a"
        " token that deletes it again; copies that others made by then cannot be called back."
    ),
}
"""What each means. Before all of them it is said that addresses and names are replaced first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """An answer."""

    purposes: frozenset[Purpose]
    text_version: int = TEXT_VERSION

    def require(self, purpose: Purpose) -> None:
        """See that a purpose was agreed to.

        Raises:
            ConsentError: It was not.
        """
        if purpose not in self.purposes:
            raise ConsentError(
                f"you did not agree to: {purpose.value.replace('_', ' ')}",
                hint="`mptcp-check upload` asks on a terminal; --consent FILE answers without one",
            )

    def document(self) -> dict[str, Any]:
        """Return the answer as JSON."""
        return {
            "schema": SCHEMA,
            "text_version": self.text_version,
            "purposes": sorted(p.value for p in self.purposes),
        }


def size_text(octets: int) -> str:
    """Return a size for people."""
    return f"{octets / 1e6:.1f} MB" if octets >= 100_000 else f"{max(1, round(octets / 1e3))} kB"  # noqa: PLR2004 - from here on


def titled(purpose: Purpose, *, verdict_bytes: int, traces_bytes: int) -> tuple[str, str]:
    """Return what is asked, with how much would leave: a title, and what it means.

    Args:
        purpose: For what.
        verdict_bytes: About how much a verdict is.
        traces_bytes: About how much the traces are.
    """
    sizes = {"verdict": size_text(verdict_bytes), "traces": size_text(traces_bytes)}
    return TITLES[purpose].format(**sizes), TEXTS[purpose]


def agreed(purposes: Iterable[Purpose]) -> Consent:
    """Return the consent to some purposes.

    Raises:
        ConsentError: One needs another that is missing: traces come with their verdict.
    """
    chosen = frozenset(purposes)
    for one, other in ((Purpose.TRACES, Purpose.VERDICT), (Purpose.PUBLISH, Purpose.VERDICT)):
        if one in chosen and other not in chosen:
            raise ConsentError(f"{one.value} needs {other.value} too")
    return Consent(purposes=chosen)


def read(path: Path) -> Consent:
    """Return the answer in a file.

    Raises:
        ConsentError: There is none, it answers another text, or is not readable.
    """
    try:
        document = json.loads(path.read_bytes())
        version = document["text_version"]
        purposes = frozenset(Purpose(p) for p in document["purposes"])
        if document["schema"] != SCHEMA:
            raise ValueError(document["schema"])  # noqa: TRY301 - one place for what is no answer
    except FileNotFoundError:
        raise ConsentError(
            f"nobody agreed to an upload yet: there is no {path}",
            hint="`mptcp-check upload` asks on a terminal; --consent FILE answers without one",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ConsentError(f"{path} holds no consent: {type(e).__name__} {e}") from None
    if version != TEXT_VERSION:
        raise ConsentError(
            f"{path} answers version {version} of the text, now it is {TEXT_VERSION}",
            hint="`mptcp-check upload` asks again on a terminal",
        )
    return agreed(purposes)


def write(path: Path, consent: Consent) -> None:
    """Keep an answer.

    Raises:
        OSError: It cannot be written; what was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, (json.dumps(consent.document(), indent=1) + "\n").encode())


def withdraw(path: Path) -> bool:
    """Take the answer back; say whether something had been agreed to.

    What is left is the answer "no", so that nobody is asked again who did not ask for it.

    Raises:
        OSError: The former answer cannot be removed.
    """
    try:
        given = bool(read(path).purposes - {Purpose.ANALYSE})
    except ConsentError:
        given = path.exists()  # to another text, or damaged: gone as well
    if not given:
        return False
    path.unlink()
    durable.settle(path.parent)
    with contextlib.suppress(OSError):  # a full disk keeps nobody's consent
        write(path, agreed([Purpose.ANALYSE]))
    return True
