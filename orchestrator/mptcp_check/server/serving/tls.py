"""The TLS context, read again when certificates were renewed."""

import ssl
from pathlib import Path
from typing import Final

from cryptography import x509

from mptcp_check.errors import UsageError

ALPN: Final = ["http/1.1"]


class Certificates:
    """The context that new connections take; running ones keep theirs.

    Args:
        certificate: Certificate chain, PEM.
        private_key: Its key, PEM.

    Raises:
        UsageError: They cannot be used.
    """

    def __init__(self, certificate: Path, private_key: Path) -> None:
        self._certificate = certificate
        self._private_key = private_key
        self.context, self.expires_s = self._load()
        """What new connections get, and when it expires: seconds since 1970."""

    def reload(self) -> None:
        """Read the files again; when they cannot be used the old ones stay.

        Raises:
            UsageError: They cannot be used.
        """
        self.context, self.expires_s = self._load()

    def _load(self) -> tuple[ssl.SSLContext, float]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(ALPN)
        try:
            context.load_cert_chain(self._certificate, self._private_key)
            shown = x509.load_pem_x509_certificate(self._certificate.read_bytes())
        except ssl.SSLError as e:
            raise UsageError(
                f"{self._certificate} and {self._private_key} cannot be used:"
                f" {(e.reason or str(e)).lower().replace('_', ' ')}",
                hint="both must be PEM, and the key must be the certificate's",
            ) from None
        except OSError as e:
            raise UsageError(
                f"{self._certificate} or {self._private_key} cannot be read:"
                f" {(e.strerror or str(e)).lower()}",
                hint="`mptcp-check server self-signed` makes a pair to begin with",
            ) from None
        except ValueError as e:
            raise UsageError(f"{self._certificate} cannot be used: {e}") from None
        return context, shown.not_valid_after_utc.timestamp()
