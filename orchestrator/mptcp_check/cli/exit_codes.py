"""What the commands end with: a number means the same whatever the command.

Errors bring their own (`mptcp_check.errors`, `mptcp_upload.errors`); these are for what is no error
of the program, or none of its family.
"""

from typing import Final

FOUND: Final = 1
"""What `--fail-on` names is there."""
UNUSABLE: Final = 2
"""What was given cannot be used: a damaged run, a receipt that does not hold, a refused bundle."""
NOT_READY: Final = 3
"""This computer lacks something."""
PENDING: Final = 6
"""Something waits in the outbox."""
NO_CONSENT: Final = 7
INTERRUPTED: Final = 130
"""128 and SIGINT's number, as shells have it."""
