import ast
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.messages import DNS_PART_BYTES, ServiceWanted
from mptcp_guest.serving import dns

KEYS = """\
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x
-keyout key.pem -out certificate.pem"""


def unquoted(line: str) -> bytes:
    """Return what a text's line holds, by RFC 1035, section 5.1."""
    strings = re.findall(r'"([^"]*)"', line)
    octal = (re.sub(r"\\(\d{3})", lambda m: f"\\x{int(m[1]):02x}", s) for s in strings)
    return b"".join(ast.literal_eval(f'b"{s}"') for s in octal)


@given(st.binary(max_size=1000), st.integers(0, 3))
def test_the_zone_holds_every_byte_in_order(tail: bytes, parts: int) -> None:
    content = b"a" * (parts * DNS_PART_BYTES) + tail
    lines = list(dns.texts("x0001", content))
    assert b"".join(map(unquoted, lines)) == content
    assert [line.split()[0] for line in lines] == [f"{n}.x0001" for n in range(len(lines))]
    assert all(len(string) <= 255 for line in lines for string in re.findall(r'"(\w*)"', line))


@pytest.mark.parametrize("service", ["dns", "dns-tls"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_unbound_itself_accepts_its_configuration(
    tmp_path: Path, service: str, address: str
) -> None:
    subprocess.run(KEYS.split(), cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / dns.ZONE_FILE).write_text(dns.zone(list(dns.texts("x", b"content"))))
    wanted = ServiceWanted(service=service, transport="tcp", address=address, port=5300)
    text = dns.configuration(tmp_path, tmp_path, tmp_path / "c", wanted=wanted)
    (tmp_path / "unbound.conf").write_text(text)
    checked = subprocess.run(
        ["unbound-checkconf", str(tmp_path / "unbound.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no errors" in checked.stdout, checked.stderr


def test_nobody_is_asked_and_no_datagram_answered() -> None:
    wanted = ServiceWanted(service="dns", transport="tcp", address="10.77.0.2", port=53)
    text = dns.configuration(Path("/w"), Path("/w/d"), Path("/w/c"), wanted=wanted)
    assert "do-udp: no" in text
    assert text.count("refuse_non_local") == 2
    assert "  interface: 10.77.0.2@53\n" in text
    assert "tls" not in text
