from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.naming import is_name
from mptcp_guest.servers.echo import LINE_BYTES, SIZE_BYTES_MAX, Request, read_request, request_line


@given(st.binary(max_size=2 * LINE_BYTES))
def test_a_request_is_a_plain_name_and_a_bounded_size_or_nothing(line: bytes) -> None:
    request = read_request(line)
    if request is not None:
        assert is_name(request.name)
        assert request.up_bytes is None or 0 <= request.up_bytes <= SIZE_BYTES_MAX


@given(st.one_of(st.none(), st.integers(0, SIZE_BYTES_MAX)))
def test_what_a_client_says_is_what_the_server_reads(up_bytes: int | None) -> None:
    request = Request("x0001", up_bytes)
    line = request_line(request)
    assert len(line) < LINE_BYTES
    assert read_request(line) == request


def test_nothing_leads_out_of_the_folder_or_fills_the_disk() -> None:
    assert read_request(b"down ../etc/passwd\r\n") is None
    assert read_request(b"up x 268435457\r\n") is None
    assert read_request(b"up x " + b"9" * 5000) is None
    assert read_request("up x ٣\r\n".encode()) is None
