"""What every message has in common: requests, refusals, and the contents that travel."""

from typing import Any, Literal, NotRequired, TypedDict

TransportName = Literal["mptcp", "tcp"]

ErrorKind = Literal[
    "bad_request",  # the line is not a request
    "unknown_verb",
    "bad_arguments",  # they do not fit the verb, or contradict the state of the lab
    "failed",  # a tool said no: the message has its words
    "deadline",  # it took too long; what had been started for it is stopped
    "stopped",  # the orchestrator went away meanwhile
    "bug",  # the agent itself is wrong: the message has the end of the traceback
]


VERSION = "1"
"""Of this contract; both ends carry the same file, so it is for people who read a report."""


class Request(TypedDict):
    """What a request line holds."""

    id: int
    verb: str
    arguments: dict[str, Any]
    deadline_s: NotRequired[float]


class Error(TypedDict):
    """Why a request was not done."""

    kind: ErrorKind
    message: str


class Nothing(TypedDict):
    """No arguments, or no result."""


ContentForm = Literal["bytes", "lines", "zeros"]
"""Any bytes; or lines of letters and digits that end with CR LF, as mail has them; or zeros, where
a program makes its own bytes and only their number is compared."""


class Content(TypedDict):
    """Bytes that both ends can make by themselves: `mptcp_guest.payload`."""

    seed: str
    bytes: int
    form: NotRequired[ContentForm]
    """``bytes`` without it."""


class Digest(TypedDict):
    """What a file held."""

    bytes: int
    sha256: str
