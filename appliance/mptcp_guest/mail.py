"""A mail around a content, and the content of a mail (RFC 5322, section 2.1); PURE.

Servers of mail store lines that end with LF and write header fields above the ones that are
there, so contents are lines (form ``lines``), and what is compared is the body.
"""

USER_DOMAIN = "mptcp-check.invalid"
"""Nobody's (RFC 2606, section 2): a mail to it can go nowhere."""


def header(name: str) -> bytes:
    """Return the header of the mail of that name, with the empty line after it."""
    lines = (
        f"From: client@{USER_DOMAIN}",
        f"To: {name}@{USER_DOMAIN}",
        f"Subject: {name}",
        f"Message-ID: <{name}@{USER_DOMAIN}>",
        "Date: Sat, 1 Jan 2000 00:00:00 +0000",  # a content is the same at both ends
        "",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def body(mail: bytes) -> bytes:
    """Return what follows the header, its lines ended by CR LF; nothing when there is no end."""
    lines = mail.replace(b"\r\n", b"\n")
    if lines.startswith(b"\n"):
        return crlf(lines[1:])
    _, empty, text = lines.partition(b"\n\n")
    return crlf(text) if empty else b""


def crlf(text: bytes) -> bytes:
    """Return a text whose lines all end by CR LF, whether they did or ended by LF alone."""
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
