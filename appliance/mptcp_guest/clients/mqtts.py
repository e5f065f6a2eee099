"""A client of an MQTT broker inside TLS that waits until the broker has hung up.

    @own mqtts ADDRESS PORT SERVER_NAME up|down TOPIC WITHIN_S

mosquitto's own clients say goodbye inside MQTT and inside TLS at once and close; the broker closes
at the first, with the second unread, and its kernel resets the connection for that (an MPTCP one
by MP_FASTCLOSE): on a network to be measured that looks like somebody's interference.
"""

import socket
import ssl
import sys
from pathlib import Path

from mptcp_guest import mqtt
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE

CERTIFICATE_FILE, LOGIN_FILE = "server.pem", "login"


def main(*words: str) -> None:
    """Do one exchange.

    Raises:
        OSError: The broker is not there, is another one, refused, or went away.
    """
    address, port, server_name, way, topic, within_s = words
    context = ssl.create_default_context(cafile=CERTIFICATE_FILE)
    user, password = Path(LOGIN_FILE).read_text().splitlines()
    with (
        socket.create_connection((address, int(port)), timeout=float(within_s)) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as broker,
        broker.makefile("rb") as stream,
    ):
        broker.sendall(mqtt.connect("client", user=user, password=password))
        accepted = mqtt.await_kind(stream, lambda kind: kind == mqtt.CONNACK)
        if accepted[1:2] != b"\0":
            raise mqtt.StrangePacketError(f"the broker refused: {accepted!r}")
        if way == "down":
            broker.sendall(mqtt.subscribe(topic, number=1))
            message = mqtt.await_kind(stream, lambda kind: kind == mqtt.PUBLISH)
            Path(ARRIVED_FILE).write_bytes(mqtt.published(message))
        else:
            broker.sendall(mqtt.publish(topic, Path(SENT_FILE).read_bytes(), number=1))
            mqtt.await_kind(stream, lambda kind: kind == mqtt.PUBACK)
        broker.sendall(mqtt.packet(mqtt.DISCONNECT, b""))
        while stream.read(1):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
