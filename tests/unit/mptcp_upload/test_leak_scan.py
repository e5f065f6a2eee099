"""Canaries behind every encoding: what the scanner must find, and what it must leave alone."""

import base64
import bz2
import contextlib
import gzip
import html
import itertools
import json
import lzma
import quopri
import random
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from a_stored_run import stored_run
from mptcp_upload import bundle, decodings, leak_scan, manifest, preparing
from mptcp_upload.anonymise import compressed
from mptcp_upload.anonymise.identities import identities
from mptcp_upload.consent import Purpose, agreed
from mptcp_upload.errors import LeakError
from mptcp_upload.leak_search import Search

IPV4 = bytes([203, 0, 113, 77])
IPV6 = bytes.fromhex("20010db8007700000000000000001234")
MAC = bytes.fromhex("3c22fb0a0b0c")
WHO = identities([IPV4, IPV6], [MAC], ["carols-laptop", "carol", "bob"])
CANARIES = {
    "name": b"carols-laptop",
    "IPv4": b"203.0.113.77",
    "IPv6": b"2001:db8:77::1234",
    "MAC": b"3c:22:fb:0a:0b:0c",
}


def _percent(text: bytes) -> bytes:
    return "".join(f"%{b:02X}" for b in text).encode()


def _gzip(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


def _c_escapes(text: bytes) -> bytes:
    return b"".join(b"\\x%02x" % b for b in text)


def _octal_escapes(text: bytes) -> bytes:
    return b"".join(b"\\%03o" % b for b in text)


def _json_escapes(text: bytes) -> bytes:
    return b"".join(b"\\u%04x" % b for b in text)


def _entities(text: bytes) -> bytes:
    return b"".join(b"&#%d;" % b for b in text)


def _wrapped(text: bytes) -> bytes:
    return base64.encodebytes(b"some sixty bytes of header before it, so that it is wrapped" + text)


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "upper case": bytes.upper,
    "UTF-16-LE": lambda t: t.decode("latin-1").encode("utf-16-le"),
    "UTF-16-BE": lambda t: t.decode("latin-1").encode("utf-16-be"),
    "UTF-32-LE": lambda t: t.decode("latin-1").encode("utf-32-le"),
    "UTF-32-BE": lambda t: t.decode("latin-1").encode("utf-32-be"),
    "hexadecimal": lambda t: t.hex().encode(),
    "hexadecimal with spaces": lambda t: t.hex(" ").encode().upper(),
    "hexadecimal, C": lambda t: ", ".join(f"0x{b:02x}" for b in t).encode(),
    "base64": base64.b64encode,
    "base64, second alignment": lambda t: base64.b64encode(b"x" + t),
    "base64, third alignment": lambda t: base64.b64encode(b"xy" + t + b"z"),
    "base64, URL-safe": lambda t: base64.urlsafe_b64encode(b"\xff\xfe\xfb" + t).rstrip(b"="),
    "base64, within letters": lambda t: b"ab" + base64.b64encode(t),
    "base64, wrapped": _wrapped,
    "percent": _percent,
    "percent twice": lambda t: _percent(_percent(t)),
    "C escapes": _c_escapes,
    "octal escapes": _octal_escapes,
    "JSON escapes": _json_escapes,
    "entities": _entities,
    "quoted-printable": lambda t: quopri.encodestring(t, quotetabs=True),
    "quoted-printable, all": lambda t: b"".join(b"=%02X" % b for b in t),
    "gzip": _gzip,
    "zlib": zlib.compress,
    "zlib, stored": lambda t: zlib.compress(t, 0),
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def hidden(text: bytes, *names: str) -> bytes:
    """Return a text in encodings within each other, between other bytes."""
    for name in names:
        text = ENCODINGS[name](text)
    return b'{"a": "' + text + b'", "b": 7}'


def found(content: bytes, member: str = "logs/a.log") -> list[str]:
    return [leak.what for leak in leak_scan.scan(member, content, WHO)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("canary", CANARIES)
def test_a_canary_is_found_behind_every_encoding(canary: str, encoding: str) -> None:
    assert found(hidden(CANARIES[canary], encoding))


WIDE = {"UTF-16-LE", "UTF-16-BE", "UTF-32-LE", "UTF-32-BE"}
OF_TEXT_ONLY = {*WIDE, "entities", "upper case"}
TO_BYTES = {*WIDE, "gzip", "zlib", "zlib, stored", "zstd", "bzip2", "xz"}


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (outer, inner)
        for outer, inner in itertools.permutations(ENCODINGS, 2)
        if not (outer in OF_TEXT_ONLY and inner in TO_BYTES)
        and not (outer == "upper case" and inner.startswith("base64"))
    ],
)
def test_a_canary_is_found_behind_two_encodings(outer: str, inner: str) -> None:
    assert found(hidden(CANARIES["name"], inner, outer))


@pytest.mark.parametrize(
    "encoding",
    ["hexadecimal", "base64", "percent", "C escapes", "gzip", "base64, second alignment"],
)
@pytest.mark.parametrize("packed", [IPV6, MAC, IPV6[::-1], MAC[::-1]])
def test_binary_addresses_are_found_behind_encodings(packed: bytes, encoding: str) -> None:
    assert found(hidden(packed, encoding))


@pytest.mark.parametrize("before", [b"", b"\2\0\0\x50", b"\0" * 7])
@pytest.mark.parametrize("packed", [IPV4, IPV4[::-1]])
def test_an_ipv4_address_in_a_short_structure_is_found_in_base64(
    packed: bytes, before: bytes
) -> None:
    assert found(hidden(before + packed, "base64"))


@pytest.mark.parametrize(
    "text",
    [
        b"3405803853",
        b"1299251403",
        b"0xcb00714d",
        b"0xcb.0x0.0x71.0x4d",
        b"0XCB.0x00.0x71.0x4D",
        b"0313.0.0161.0115",
        b"0313.0000.0161.0115",
        b"203.29005",
        b"203.0.29005",
        b"031300070515",
        b"77.113.0.203",
        b"203.0.113.077",
    ],
)
def test_numbers_that_are_an_ipv4_address_are_found(text: bytes) -> None:
    assert found(b'{"at": "' + text + b'"}')


@pytest.mark.parametrize(
    "text", [b"203.29005.1", b"1.203.29005", b"203.0.290051", b"3405803854", b"0313.0.0161.01150"]
)
def test_numbers_that_are_another_address_are_left_alone(text: bytes) -> None:
    assert found(b'{"at": "' + text + b'"}') == []


def test_a_name_of_three_letters_is_no_reason_to_keep_random_bytes_here() -> None:
    random_bytes = random.Random(1).randbytes(4 << 20)  # noqa: S311 - noise
    who = identities([], [], ["bob", "tom", "eve", "mia", "leo", "ida"])
    from_afar = b"x" * 5 + random_bytes

    assert [w for _, w in Search(who).text(from_afar, among_bytes=True)] == []
    assert list(Search(who).encoded(from_afar)) == []


def test_a_name_of_four_letters_in_a_digest_is_none() -> None:
    who = identities([], [], ["mila"])
    digest = bytes(range(128, 142)) + b"mila" + bytes(range(142, 156))

    assert leak_scan.scan("report.json", b'{"sha256": "%s"}' % digest.hex().encode(), who) == []
    assert leak_scan.scan("report.json", b'{"told": "%s"}' % digest[:-2].hex().encode(), who)


def test_a_bomb_is_refused_and_not_expanded() -> None:
    bomb = gzip.compress(bytes(compressed.EXPANDED_BYTES_LIMIT + 1000), mtime=0)

    assert any("more than can be looked at" in what for what in found(bomb))


def test_many_bombs_together_are_refused_too() -> None:
    bomb = zlib.compress(bytes(compressed.EXPANDED_BYTES_LIMIT - 1000))

    assert any(one.is_cut for one in compressed.find(bomb * 12))


@given(st.binary(max_size=2000))
def test_decoding_garbage_raises_nothing_and_stays_small(octets: bytes) -> None:
    for view in decodings.views(octets):
        assert len(view.content) <= max(4 * len(octets), compressed.EXPANDED_BYTES_LIMIT + 4096)


@given(st.sampled_from(["gzip", "zlib", "zstd", "bzip2", "xz"]), st.data())
def test_damaged_compression_raises_nothing(kind: str, data: st.DataObject) -> None:
    octets = bytearray(ENCODINGS[kind](b"203.0.113.77 " * 40))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))

    assert all(view.content for view in compressed.find(bytes(octets)))


KEY = bytes(range(32))
_NAME = st.from_regex(r"[a-z][a-z0-9]{5,12}", fullmatch=True)
_WITHOUT_CASE = sorted(set(ENCODINGS) - {"upper case"})


@settings(max_examples=40)
@given(
    name=_NAME,
    host=st.integers(0x0B000001, 0x62FFFFFE),
    how=st.lists(st.sampled_from(_WITHOUT_CASE), min_size=1, max_size=2),
    member=st.sampled_from(["report.json", "logs/probe.log", "exchanges.json"]),
)
@example(name="a00000", host=0x0B000001, how=["UTF-16-BE"] * 2, member="logs/probe.log")
@example(name="a00000", host=0x0B000001, how=["UTF-16-LE", "UTF-16-BE"], member="report.json")
def test_what_was_known_never_leaves_in_any_encoding(
    tmp_path_factory: pytest.TempPathFactory, name: str, host: int, how: list[str], member: str
) -> None:
    run = stored_run(tmp_path_factory.mktemp("canary") / "run")
    dotted = ".".join(str(b) for b in host.to_bytes(4)).encode()
    # a pseudonym may begin as its original does: 11.0.0.135 for 11.0.0.1
    secrets = {"name": name.encode(), "address": b"<" + dotted + b">"}
    (run / "logs" / "plain.log").write_bytes(b"connected to " + secrets["address"])
    encoded = {which: _encoded(text, how) for which, text in secrets.items()}
    for which, octets in encoded.items():
        _plant(run / member if which == "name" else run / "logs" / "more.log", octets)
    about = {k: v for k, v in manifest.read(run).items() if k != "members"}
    manifest.write(run, manifest.build(run, about=about))
    try:
        prepared = preparing.prepare(
            run, key=KEY, names=[name], consent=agreed([Purpose.VERDICT, Purpose.TRACES])
        )
    except LeakError as e:
        refused = e.message
    else:
        refused = ""
    assert name not in refused
    assert dotted.decode() not in refused
    if refused:
        return
    made = bundle.read(prepared.octets)
    everything = b"\n".join((*map(made.content, made.names), *map(str.encode, made.names)))
    for which, octets in encoded.items():
        assert octets not in everything
        assert secrets[which] not in everything
        assert json.dumps(octets.decode("latin-1"))[1:-1].encode() not in everything


def _encoded(text: bytes, how: list[str]) -> bytes:
    for name in how:
        text = ENCODINGS[name](text)
    return text


def _plant(path: Path, octets: bytes) -> None:
    """Put bytes where a program might: in a text of a document, or in a log."""
    if path.suffix == ".json":
        document = json.loads(path.read_text()) if path.exists() else {}
        document["said"] = octets.decode("latin-1")
        path.write_text(json.dumps(document))
    else:
        path.write_bytes(b"it said: " + octets + b"\n")


@pytest.mark.parametrize("name", ["büro-pc", "josé", "łódź-pc", "中文主机", "ångström"])
@pytest.mark.parametrize("how", ["lower", "upper", "title"])
def test_names_that_are_not_ascii_are_replaced_and_found(
    tmp_path: Path, name: str, how: str
) -> None:
    spelt: str = getattr(name, how)()
    forms = [unicodedata.normalize(form, spelt).encode() for form in ("NFC", "NFD")]
    with contextlib.suppress(UnicodeEncodeError):
        forms.append(spelt.encode("latin-1"))
    who = identities([], [], [name])
    for form in forms:
        for octets in (form, base64.b64encode(b"on " + form), form.hex().encode()):
            assert leak_scan.scan("a.log", b"on " + octets + b" now", who), octets
    run = stored_run(tmp_path / "run")
    (run / "logs" / "a.log").write_bytes(b"on %s now, on %s later" % (forms[0], forms[1]))
    (run / "a.json").write_text(json.dumps({"host": spelt, spelt: 1}))
    about = {k: v for k, v in manifest.read(run).items() if k != "members"}
    manifest.write(run, manifest.build(run, about=about))
    made = preparing.prepare(run, key=KEY, names=[name], consent=agreed([Purpose.VERDICT]))
    found = bundle.read(made.octets)
    for form in forms:
        assert all(form not in found.content(member) for member in found.names)


def test_html_is_unescaped_as_a_browser_does() -> None:
    assert found(html.escape("<carol>").encode().replace(b"carol", b"c&#97;rol"))
