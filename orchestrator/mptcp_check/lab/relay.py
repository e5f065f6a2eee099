"""A split proxy for the lab's kernel boxes: it ends connections and opens its own.

Called as a script in the box's namespace, with the standard library only:
``python -I -S relay.py redirect|tproxy PORT``.  ``redirect`` finds the destination that the kernel
rewrote (SO_ORIGINAL_DST), ``tproxy`` is given the connection with both addresses as they were and
opens its own from the client's address (IP_TRANSPARENT, ip(7)).
"""

import socket
import struct
import sys
import threading
from typing import Final

_SO_ORIGINAL_DST: Final = 80
"""include/uapi/linux/netfilter_ipv4.h."""
_IP_TRANSPARENT: Final = 19
_BYTES: Final = 65_536
_CONNECT_S: Final = 5


def serve(mode: str, port: int) -> None:
    """Accept and relay until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if mode == "tproxy":
            listener.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
        listener.bind(("0.0.0.0", port))  # noqa: S104 - whatever the kernel sends here
        listener.listen()
        print("listening", flush=True)  # noqa: T201 - who started it waits for the word
        while True:
            accepted, peer = listener.accept()
            threading.Thread(target=_relay, args=(mode, accepted, peer), daemon=True).start()


def _relay(mode: str, accepted: socket.socket, peer: tuple[str, int]) -> None:
    with accepted:
        try:
            onward = _onward(mode, accepted, peer)
        except OSError:
            return
        with onward:
            back = threading.Thread(target=_copy, args=(onward, accepted), daemon=True)
            back.start()
            _copy(accepted, onward)
            back.join()


def _onward(mode: str, accepted: socket.socket, peer: tuple[str, int]) -> socket.socket:
    onward = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    onward.settimeout(_CONNECT_S)
    try:
        if mode == "tproxy":
            onward.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
            onward.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            onward.bind(peer)
            onward.connect(accepted.getsockname())
        else:
            told = accepted.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
            port, address = struct.unpack("!2xH4s8x", told)
            onward.connect((socket.inet_ntoa(address), port))
    except BaseException:
        onward.close()
        raise
    onward.settimeout(None)
    return onward


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
