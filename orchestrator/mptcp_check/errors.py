"""One small family of errors raised on purpose; anything else is a bug and shows a traceback."""


class MptcpCheckError(Exception):
    """A failure with a message for people, a hint at the next step, and an exit code.

    Args:
        message: Names the thing and the value, without a full stop at the end.
        hint: The next step, one sentence; empty when there is none.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MptcpCheckError):
    """An option, a name or a path that the user gave cannot be used."""

    exit_code = 2


class CaptureError(MptcpCheckError):
    """A capture file from which nothing could be read."""

    exit_code = 2


class PreflightError(MptcpCheckError):
    """Something the main job needs is missing on this computer."""

    exit_code = 3


class MachineError(MptcpCheckError):
    """A virtual machine did not boot, did not answer or died."""

    exit_code = 4


class ServerError(MptcpCheckError):
    """The measurement server cannot be reached or went away."""

    exit_code = 5
