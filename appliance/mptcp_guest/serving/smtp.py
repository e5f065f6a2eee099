"""aiosmtpd as the measurement's smtp server: it takes mail for one domain of nobody's.

The usual ones were tried.  postfix brings ICU (36 MB).  exim 4.96 corks its last answer (TCP_CORK)
and closes, and the end of an MPTCP connection does not uncork a subflow (measured on Linux 6.18):
the answer comes 0.2 s late, once more on the other subflow, and is met there by a reset.
opensmtpd 6.8 breaks off every TLS handshake (its keys in another process, with OpenSSL 3), and
has one queue for the whole machine.
"""

from mptcp_guest import messages, own_program
from mptcp_guest.serving.program import USER, Place, Program


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    certificate = place.written("certificate.pem", arguments["tls_certificate"])
    key = place.written("key.pem", arguments["tls_key"], secret=True)
    where = (wanted["address"], str(wanted["port"]), str(place.files))
    return own_program.command(
        "servers.smtp",
        *(*where, USER, str(certificate), str(key)),
        python=own_program.DEBIAN_PYTHON,
    )


PROGRAM = Program(name="smtp", tool="aiosmtpd", package="python3-aiosmtpd", prepare=_prepare)
"""Its shelf is the common one: what arrives is a body in ``up``."""
