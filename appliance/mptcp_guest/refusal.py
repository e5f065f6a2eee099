"""The one exception that becomes an error answer."""

from mptcp_guest.messages import ErrorKind


class RefusalError(Exception):
    """Why a verb is not done.

    Args:
        kind: For programs.
        message: For people: the thing, the value, a tool's own words.
    """

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
