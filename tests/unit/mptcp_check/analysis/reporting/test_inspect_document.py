import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
import tshark_oracle
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.values import DataMetrics, DirectionMetrics, RoundTrips, Totals
from mptcp_check.analysis.reporting import inspect_document
from mptcp_check.analysis.reporting.inspect_document import InspectedFile
from segments import Talk

GOLDEN = Path(__file__).parents[4] / "golden" / "captures"

NUMBER = (int, float)
NONE = type(None)
FILE: dict[str, tuple[type, ...]] = {
    "path": (str,),
    "format": (str,),
    "packets": (int,),
    "bytes": (int,),
    "link_types": (list,),
    "fragments": (int,),
    "cut_segments": (int,),
    "late_segments": (int,),
    "first_ns": (int, NONE),
    "last_ns": (int, NONE),
    "interfaces": (list,),
    "problems": (list,),
}
TOTALS = {
    "tcp_packets",
    "mp_capable_attempts",
    "mp_capable_established",
    "mp_capable_plain_synack",
    "join_attempts",
    "join_complete",
    "join_without_connection",
    "midstream_subflows",
    "rst_packets",
    "hmac_ok",
    "hmac_bad",
    "dss_checksum_ok",
    "dss_checksum_bad",
    "infinite_mappings",
    "data_bytes_c2s",
    "data_bytes_s2c",
    "duplicate_bytes",
}
OPTIONS = [
    "MP_CAPABLE",
    "MP_JOIN",
    "DSS",
    "ADD_ADDR",
    "REMOVE_ADDR",
    "MP_PRIO",
    "MP_FAIL",
    "MP_FASTCLOSE",
    "MP_TCPRST",
]
CONNECTION: dict[str, tuple[type, ...]] = {
    "id": (int,),
    "file": (int,),
    "kind": (str,),
    "mptcp_version": (int, NONE),
    "client": (str,),
    "server": (str,),
    "token_client": (str, NONE),
    "token_server": (str, NONE),
    "checksum_required": (bool, NONE),
    "established": (bool,),
    "orphan": (bool,),
    "close": (str,),
    "start_ns": (int,),
    "end_ns": (int,),
    "handshake_ns": (int, NONE),
    "add_addr_hmac_ok": (int,),
    "add_addr_hmac_bad": (int,),
    "add_addr_hmac_leftmost": (int,),
    "data_bytes_c2s": (int,),
    "data_bytes_s2c": (int,),
    "data_c2s": (dict,),
    "data_s2c": (dict,),
    "subflows": (list,),
}
SUBFLOW: dict[str, tuple[type, ...]] = {
    "id": (int,),
    "flow": (int,),
    "role": (str,),
    "complete": (bool,),
    "hmac": (str,),
    "backup": (bool,),
    "midstream": (bool,),
    "opened_by_server": (bool,),
    "speaks_mptcp": (bool,),
    "client": (str,),
    "server": (str,),
    "token": (str, NONE),
    "hmac_ok": (int,),
    "hmac_bad": (int,),
    "start_ns": (int,),
    "end_ns": (int,),
    "handshake_ns": (int, NONE),
    "join_delay_ns": (int, NONE),
    "metrics_c2s": (dict,),
    "metrics_s2c": (dict,),
}


def inspected(octets: bytes, path: str = "a.pcap") -> InspectedFile:
    return InspectedFile(path=path, inspection=inspect(read(octets)))


def golden() -> list[InspectedFile]:
    return [
        inspected((GOLDEN / name).read_bytes(), name)
        for name in ("kernel_v1.pcapng", "kernel_v1_cooked.pcap")
    ]


def shaped(found: dict[str, Any], shape: dict[str, tuple[type, ...]]) -> bool:
    assert list(found) == list(shape)
    for name, kinds in shape.items():
        assert type(found[name]) in kinds, (name, found[name])
    return True


def test_the_document_has_the_shape_of_its_schema() -> None:
    document = inspect_document.document(golden())

    assert list(document) == ["schema", "files", "totals", "connections"]
    assert document["schema"] == "mptcp-check.inspect/1"
    assert all(shaped(file, FILE) for file in document["files"])
    assert set(document["totals"]) == TOTALS | {"options"}
    assert list(document["totals"]["options"]) == OPTIONS
    assert all(shaped(connection, CONNECTION) for connection in document["connections"])
    for connection in document["connections"]:
        assert connection["kind"] in ("mptcp", "fallback", "tcp")
        assert connection["close"] in ("fin", "fastclose", "rst", "open")
        for data in (connection["data_c2s"], connection["data_s2c"]):
            assert list(data) == [field.name for field in fields(DataMetrics)]
        for subflow in connection["subflows"]:
            assert shaped(subflow, SUBFLOW)
            assert subflow["role"] in ("initial", "join")
            assert subflow["hmac"] in ("ok", "bad", "unknown")
            for way in (subflow["metrics_c2s"], subflow["metrics_s2c"]):
                assert set(way) == {field.name for field in fields(DirectionMetrics)}
                assert list(way["rtt_acks"]) == [field.name for field in fields(RoundTrips)]


def test_a_token_is_eight_digits() -> None:
    first = inspect_document.document(golden())["connections"][0]

    assert len(first["token_server"]) == len(first["token_client"]) == 8
    assert int(first["token_server"], 16) > 0


def test_its_lines_are_the_document() -> None:
    files = golden()

    assert json.loads("".join(inspect_document.lines(files))) == inspect_document.document(files)
    assert json.loads("".join(inspect_document.lines([])))["connections"] == []


def test_connections_are_numbered_through_and_totals_added_up() -> None:
    one, two = golden()
    both = inspect_document.document([one, two])

    ids = [connection["id"] for connection in both["connections"]]
    assert ids == list(range(len(ids)))
    first = len(one.inspection.connections)
    assert inspect_document.first_ids([one, two]) == [0, first]
    assert both["connections"][first]["file"] == 1
    for name in TOTALS:
        alone = [getattr(file.inspection.totals, name) for file in (one, two)]
        assert both["totals"][name] == sum(alone)
    assert both["totals"]["options"]["DSS"] == sum(
        file.inspection.totals.options["DSS"] for file in (one, two)
    )


def test_nothing_added_up_is_nothing() -> None:
    assert inspect_document.total([]) == Totals()


@given(st.binary(max_size=300))
def test_whatever_a_file_holds_is_json(junk: bytes) -> None:
    talk = Talk()
    talk.capable(talk.subflow(), first_data=b"x")
    octets = cf.pcap([cf.ethernet(packet) for packet in talk.packets()]) + junk
    files = [inspected(octets, "name\udcff"), inspected(junk)]

    assert json.loads("".join(inspect_document.lines(files))) == inspect_document.document(files)


@pytest.mark.parametrize("name", ["kernel_v1.pcapng", "kernel_v1_cooked.pcap"])
def test_tshark_counts_the_same_totals(name: str) -> None:
    totals = inspect(read((GOLDEN / name).read_bytes())).totals
    rows = tshark_oracle.fields(GOLDEN / name, "tcp.options.mptcp.subtype", "tcp.flags")
    subtypes = [
        subtype
        for row in rows
        for subtype in tshark_oracle.numbers(row["tcp.options.mptcp.subtype"])
    ]
    flags = [number for row in rows for number in tshark_oracle.numbers(row["tcp.flags"])]

    assert totals.tcp_packets == len(rows)
    assert {name: count for name, count in totals.options.items() if count} == {
        Subtype(number).name: subtypes.count(number) for number in sorted(set(subtypes))
    }
    assert totals.rst_packets == sum(number & 0x4 != 0 for number in flags)
