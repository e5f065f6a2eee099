"""Tables that other programs read: whole, equal in both forms, harmless in a spreadsheet."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

import capture_files as cf
from mptcp_check import exporting, inspecting
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.metrics import inspector
from mptcp_check.analysis.reporting import inspect_document
from mptcp_check.analysis.reporting.inspect_document import InspectedFile
from mptcp_check.analysis.tables import placing
from mptcp_check.analysis.tables.packet_table import AS_THEY_ARE
from mptcp_check.errors import UsageError
from mptcp_check.inspecting import Inspected
from segments import CLIENT_2, Talk

GOLDEN = Path(__file__).parents[2] / "golden" / "captures"
NAMES = ("kernel_v1.pcapng", "kernel_v1_cooked.pcap")
TEXT = "text"


@pytest.fixture
def captures() -> list[Inspected]:
    return [inspecting.inspect_file(GOLDEN / name) for name in NAMES]


def rows_of(folder: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parquet.read_table(folder / f"{table}.parquet").to_pylist()
    return found


def written(text: str) -> str | None:
    return text or None


def test_both_forms_of_a_table_have_the_same_cells(
    captures: list[Inspected], tmp_path: Path
) -> None:
    exporting.export(captures, tmp_path / "tables")

    for table, headings in exporting.TABLES.items():
        rows = rows_of(tmp_path / "tables", table)
        with (tmp_path / "tables" / f"{table}.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        assert len(rows) == len(lines) > 0
        assert list(rows[0]) == list(lines[0]) == [heading.name for heading in headings]
        for row, line in zip(rows, lines, strict=True):
            for heading in headings:
                cell, text = row[heading.name], line[heading.name]
                if cell is None or heading.kind == TEXT:
                    assert (cell or "") == text
                elif heading.kind == "bool":
                    assert text == ("true" if cell else "false")
                else:
                    assert float(text) == pytest.approx(cell)


def test_every_segment_is_a_row_with_what_the_capture_has(
    captures: list[Inspected], tmp_path: Path
) -> None:
    exporting.export(captures, tmp_path / "tables")
    rows = rows_of(tmp_path / "tables", "packets")

    for index, name in enumerate(NAMES):
        packets = read((GOLDEN / name).read_bytes()).packets
        mine = [row for row in rows if row["file"] == index]
        assert len(mine) == len(packets)
        for column in ("frame", "time_ns", "seq", "ack", "payload_bytes", "src_port", "window"):
            assert [row[column] for row in mine] == getattr(packets, column).tolist()
        mapped = packets.dss.parts & DssFlag.MAPPING != 0
        by_packet = dict(
            zip(packets.dss.packet[mapped].tolist(), packets.dss.dsn[mapped].tolist(), strict=True)
        )
        assert {i: row["dsn"] for i, row in enumerate(mine) if row["dsn"] is not None} == by_packet


def test_segments_that_were_decoded_in_many_batches_are_rows_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (inspector, placing):
        monkeypatch.setattr(module, "BATCH_FRAMES", 7)
    exporting.export([inspecting.inspect_file(GOLDEN / NAMES[0])], tmp_path / "tables")
    rows = rows_of(tmp_path / "tables", "packets")

    packets = read((GOLDEN / NAMES[0]).read_bytes()).packets
    assert len(packets) > 2 * 7
    for column in ("frame", *AS_THEY_ARE):
        assert [row[column] for row in rows] == getattr(packets, column).tolist()


def test_tshark_sees_the_same_packets(captures: list[Inspected], tmp_path: Path) -> None:
    exporting.export(captures[:1], tmp_path / "tables")
    fields = ("frame.number", "tcp.seq_raw", "tcp.len", "tcp.srcport", "tcp.dstport")
    command = ["tshark", "-n", "-r", str(GOLDEN / NAMES[0]), "-Y", "tcp", "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = [tuple(int(cell) for cell in line.split("\t")) for line in done.stdout.splitlines()]
    columns = ("frame", "seq", "payload_bytes", "src_port", "dst_port")

    assert [
        tuple(row[column] for column in columns) for row in rows_of(tmp_path / "tables", "packets")
    ] == seen


def test_rows_and_document_tell_the_same(captures: list[Inspected], tmp_path: Path) -> None:
    exporting.export(captures, tmp_path / "tables")
    document = inspect_document.document(
        [InspectedFile(path="x", inspection=one.inspection) for one in captures]
    )
    connections = rows_of(tmp_path / "tables", "connections")
    subflows = rows_of(tmp_path / "tables", "subflows")
    packets = rows_of(tmp_path / "tables", "packets")

    assert [row["id"] for row in connections] == [c["id"] for c in document["connections"]]
    for row, said in zip(connections, document["connections"], strict=True):
        assert row["c2s_data_bytes"] == said["data_bytes_c2s"]
        assert row["token_server"] == said["token_server"]
        assert row["subflows"] == len(said["subflows"])
    said_subflows = [(c["id"], s) for c in document["connections"] for s in c["subflows"]]
    assert len(subflows) == len(said_subflows)
    for row, (connection, said) in zip(subflows, said_subflows, strict=True):
        assert (row["connection"], row["id"]) == (connection, said["id"])
        for way in ("c2s", "s2c"):
            assert row[f"{way}_packets_count"] == said[f"metrics_{way}"]["packets_count"]
            assert row[f"{way}_rtt_acks_min_ns"] == said[f"metrics_{way}"]["rtt_acks"]["min_ns"]
            own = [
                p["payload_bytes"]
                for p in packets
                if (p["connection"], p["subflow"], p["direction"]) == (connection, said["id"], way)
            ]
            assert len(own) == said[f"metrics_{way}"]["packets_count"]
            assert sum(own) == said[f"metrics_{way}"]["payload_bytes"]


def test_a_mapping_repeated_on_a_burst_is_one_row(tmp_path: Path) -> None:
    talk = Talk()
    first = talk.capable(talk.subflow(), first_data=b"hello")
    second = talk.join(talk.subflow(CLIENT_2, isn=(70_000, 80_000)))
    talk.data(first, 1, b"world")
    first.again()
    first.again()
    talk.data(second, 1, b"again")
    file = tmp_path / "a.pcap"
    file.write_bytes(cf.pcap([cf.ethernet(packet) for packet in talk.packets()]))
    exporting.export([inspecting.inspect_file(file)], tmp_path / "tables")

    capable, burst, other = rows_of(tmp_path / "tables", "mappings")
    assert (capable["source"], capable["data_length"], capable["direction"]) == (
        "MP_CAPABLE",
        5,
        "c2s",
    )
    assert (burst["source"], burst["segments"], burst["direction"]) == ("DSS", 3, "s2c")
    assert burst["last_frame"] - burst["first_frame"] == 2
    assert (other["subflow"], other["dsn"] - burst["dsn"]) == (1, 5)


def test_mappings_count_as_the_metrics_count(captures: list[Inspected], tmp_path: Path) -> None:
    exporting.export(captures[:1], tmp_path / "tables")
    rows = rows_of(tmp_path / "tables", "mappings")

    for connection in captures[0].inspection.connections:
        for subflow in connection.subflows:
            for way, metrics in (("c2s", subflow.c2s), ("s2c", subflow.s2c)):
                place = (connection.id, subflow.id, way)
                mine = {
                    (row["dsn"], row["ssn"], row["data_length"])
                    for row in rows
                    if (row["connection"], row["subflow"], row["direction"]) == place
                }
                assert len(mine) == metrics.mapping_count


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_cell_of_text_is_no_formula(text: str) -> None:
    assert exporting.harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["c2s", "10.0.0.1", "::1", "", "SYN|ACK"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert exporting.harmless(text) == text


def test_what_fails_leaves_nothing(captures: list[Inspected], tmp_path: Path) -> None:
    broken = Inspected(given=captures[0].given, inspection=json.loads('"no inspection"'))

    with pytest.raises(AttributeError):
        exporting.export([captures[0], broken], tmp_path / "tables")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_used_and_any_other_is_not(
    captures: list[Inspected], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    exporting.export(captures[:1], tmp_path / "empty")

    assert len(list((tmp_path / "empty").iterdir())) == 8
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o777 & ~_umask()
    with pytest.raises(UsageError, match="is not empty"):
        exporting.export(captures[:1], tmp_path / "empty")


def _umask() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split("Umask:")[1].split()[0], 8)


def test_a_capture_without_tcp_gives_empty_tables(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(cf.pcap([np.arange(60, dtype=np.uint8).tobytes()]))
    exporting.export([inspecting.inspect_file(file)], tmp_path / "tables")

    for table in exporting.TABLES:
        assert rows_of(tmp_path / "tables", table) == []
