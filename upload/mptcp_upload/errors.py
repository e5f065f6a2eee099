"""What can go wrong on a run's way out: each with a message, a hint and an exit code."""

from typing import Final

VERDICT_ONLY: Final = "`mptcp-check upload --verdict-only RUN` sends it without its traces"
"""The next step where traces cannot leave, and the verdict can."""


class UploadError(Exception):
    """A failure with a message for people, a hint at the next step, and an exit code.

    Args:
        message: Names the thing and the value, without a full stop at the end.
        hint: The next step, one sentence; empty when there is none.
    """

    exit_code = 6

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BundleError(UploadError):
    """An archive that is not a bundle, or a run that cannot become one.

    Args:
        message: Names the member and the difference.
        reason: The word a collector answers with: `bad_bundle`, `too_large`, `schema_too_new`, ….
        hint: The next step.
    """

    exit_code = 2

    def __init__(self, message: str, *, reason: str = "bad_bundle", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class LeakError(UploadError):
    """A finished bundle still holds something that must stay at home."""

    exit_code = 2


class ConsentError(UploadError):
    """Nobody agreed to what was asked for."""

    exit_code = 7


class ReceiptError(UploadError):
    """A receipt that is not signed by the pinned key, or is about something else."""

    exit_code = 2


class RefusedError(UploadError):
    """The collector answered and will not take this run.

    Args:
        message: The collector's words.
        word: The last part of the problem's type: `quota_exceeded`, `bad_bundle`, ….
        status: Of HTTP.
        hint: The next step.
    """

    def __init__(self, message: str, *, word: str, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.word = word
        self.status = status


class NotTakenError(UploadError):
    """The collector's limits say beforehand that it does not take this run as it is."""


class UnreachableError(UploadError):
    """The collector did not answer, or answered that it cannot now; trying again may help.

    Args:
        message: Names the collector and the reason.
        after_s: How long the collector asked to wait; none if it did not say.
        soon: Whether seconds may change it; not where somebody must mend something first.
        word: The last part of the problem's type, if it answered with one.
        hint: The next step.
    """

    def __init__(
        self,
        message: str,
        *,
        after_s: float | None = None,
        soon: bool = True,
        word: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.word = word
        self.after_s = after_s
        self.soon = soon
