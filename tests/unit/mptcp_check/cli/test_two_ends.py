"""`mptcp-check inspect CLIENT --server SERVER` as its user calls it."""

import csv
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from golden.diagnosed import capture_path
from inspect_call import Said, inspect
from mptcp_check.analysis.tables import crossing_table
from mptcp_check.model import Side

DELAY_NS = 5_000_000
"""Of the links that the stored captures were made behind."""

STEADY = (
    "clean",
    "mp_capable_removed_from_syn",
    "mp_capable_removed_from_synack",
    "mp_capable_syn_dropped",
    "mp_join_removed",
    "payload_altered",
    "address_translated",
    "mss_clamped",
    "window_altered",
    "ttl_altered",
)
"""Pairs whose box neither drops, holds nor cuts segments: only the links take time."""
LOST = {"mp_capable_syn_dropped": 3}


def asked(case: str, *arguments: str | Path) -> Said:
    client, server = (capture_path(case, side) for side in (Side.CLIENT, Side.SERVER))
    return inspect(client, "--server", server, *arguments)


def ways(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [subflow[way] for subflow in document["two_ends"]["subflows"] for way in ("c2s", "s2c")]


@pytest.mark.parametrize("case", STEADY)
def test_stored_pairs_have_the_delay_of_their_links(case: str) -> None:
    said = asked(case, "--json")
    document = said.document
    found = ways(document)

    assert said.code == 0
    assert found
    for way in found:
        followed = way["arrived_count"] + way["lost_count"] + way["not_observed_count"]
        assert followed == way["sent_count"]
        # the computer that made them was late by less than the delay
        assert 0.7 * DELAY_NS < way["delay_min_ns"] < 2 * DELAY_NS
        assert 0 <= way["variation"]["p95_ns"] <= way["variation"]["max_ns"] < 20 * DELAY_NS
    clock = document["two_ends"]["clock"]
    assert clock["offset_low_ns"] <= 0 <= clock["offset_high_ns"]
    assert "fewer than 5 s" in clock["not_estimated"]
    assert sum(way["lost_count"] for way in found) == LOST.get(case, 0)


def test_numbers_are_those_of_the_document() -> None:
    document = asked("address_translated", "--json").document
    by_id = {connection["id"]: connection for connection in document["connections"]}

    for subflow in document["two_ends"]["subflows"]:
        client = by_id[subflow["connection"]]
        server = by_id[subflow["server_connection"]]
        assert (client["file"], server["file"]) == (0, 1)
        at_client = client["subflows"][subflow["subflow"]]
        at_server = server["subflows"][subflow["server_subflow"]]
        assert (at_client["client"], at_client["server"]) == (subflow["client"], subflow["server"])
        for way in ("c2s", "s2c"):
            counted = subflow[way]["sent_count"]
            assert at_client[f"metrics_{way}"]["packets_count"] == counted
            assert at_server[f"metrics_{way}"]["packets_count"] == counted


def test_the_table_says_what_it_means_for_the_user() -> None:
    said = asked("mp_capable_syn_dropped")

    assert said.code == 0
    text = " ".join(said.out.split())
    assert "client to server: 3 of 18 packets lost between the capture points" in text
    assert "server to client: none of 15 packets lost" in text
    assert "Delays take both directions for equally fast" in text
    assert "drift not estimated" in text


def test_the_exported_table_has_a_row_per_packet(tmp_path: Path) -> None:
    said = asked("mp_capable_syn_dropped", "--export", tmp_path / "tables")
    rows = parquet.read_table(tmp_path / "tables" / "crossings.parquet").to_pylist()
    with (tmp_path / "tables" / "crossings.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    packets = parquet.read_table(tmp_path / "tables" / "packets.parquet").to_pylist()
    times = {(row["file"], row["frame"]): row["time_ns"] for row in packets}

    assert said.code == 0
    assert list(rows[0]) == [heading.name for heading in crossing_table.HEADINGS]
    assert len(rows) == len(lines) == 33
    assert [row["fate"] for row in rows] == [line["fate"] for line in lines]
    assert [row["copy"] for row in rows if row["fate"] == "lost"] == [0, 1, 2]
    for row in rows:
        ends = [(0, row["client_frame"]), (1, row["server_frame"])]
        sent, received = ends if row["direction"] == "c2s" else ends[::-1]
        assert row["sent_ns"] == times[sent]
        if row["fate"] == "arrived":
            assert row["received_ns"] == times[received]
            assert abs(row["delay_ns"] - DELAY_NS) < 3 * DELAY_NS
        else:
            assert row["received_ns"] is row["delay_ns"] is received[1] is None


def test_without_the_other_end_nothing_is_added(tmp_path: Path) -> None:
    path = capture_path("clean", Side.CLIENT)
    said = inspect(path, "--json", "--export", tmp_path / "tables")

    assert "two_ends" not in said.document
    assert not (tmp_path / "tables" / "crossings.csv").exists()


def test_the_other_end_goes_with_one_capture() -> None:
    path = capture_path("clean", Side.CLIENT)
    said = inspect(path, path, "--server", path)

    assert said.code == 2
    assert "--server goes with one capture" in said.err


def test_an_end_that_cannot_be_read_is_said_and_nothing_is_compared() -> None:
    said = inspect(capture_path("clean", Side.CLIENT), "--server", "/nowhere/at/all")

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("mptcp-check: ")
    assert "no such file" in said.err


def test_captures_that_have_nothing_in_common_are_said_to(tmp_path: Path) -> None:
    client, server = (
        capture_path("clean", Side.CLIENT),
        capture_path("payload_altered", Side.SERVER),
    )
    said = inspect(client, "--server", server, "--export", tmp_path / "tables")

    assert said.code == 0
    assert "0 subflows in both captures" in said.out
    assert "only in the client's" in said.out
    assert "not estimated: no packet crossed" in said.out
