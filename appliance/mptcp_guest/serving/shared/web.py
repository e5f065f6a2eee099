"""nginx for many sessions: each path begins with a session's marker."""

from collections.abc import Mapping

from mptcp_guest import messages
from mptcp_guest.serving import http
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import MARKER, Caps, Shared, write_certificate


def _prepare(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    tls = wanted["service"] == http.HTTPS.name
    if tls:
        write_certificate(place, caps.keys)
    text = http.configuration(
        place.directory,
        place.files,
        [http.Listening(address=wanted["address"], port=wanted["port"], tls=tls)],
        sharing=http.Sharing(
            marker=MARKER,
            connections_count=caps.connections_count,
            upload_bytes=caps.upload_bytes,
        ),
    )
    place.written("nginx.conf", text)
    return http.command(place.directory)


SHARED: Mapping[str, Shared] = {
    http.PROGRAM.name: Shared(prepare=_prepare),
    http.HTTPS.name: Shared(prepare=_prepare),
}
