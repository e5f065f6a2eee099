"""The one error of this package; the command line maps it to exit code 3, a failed preflight."""


class ImageError(Exception):
    """An image that cannot be declared, built, found or trusted.

    Args:
        message: Names the thing and the value, without a full stop at the end.
        hint: The next step, one sentence; empty when there is none.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
