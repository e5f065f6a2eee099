"""From a run's folder to the bytes that may leave: read, look, replace, bundle, check."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mptcp_upload import bundle, leak_scan, manifest, server_session
from mptcp_upload.anonymise import captures, identities
from mptcp_upload.anonymise.captures import Done, Found
from mptcp_upload.anonymise.identities import Identities
from mptcp_upload.anonymise.pseudonyms import choose
from mptcp_upload.anonymise.replacements import Replacements
from mptcp_upload.consent import Consent, Purpose
from mptcp_upload.errors import BundleError

CAPTURES: Final = (".pcapng", ".pcap")
LEFT_OUT: Final = frozenset({"report.html", manifest.NAME, server_session.NAME})
"""Made again from the report by whoever shows it; and what holds a secret."""
METHOD: Final = "mptcp-check.anonymisation/1"
TOLD: Final = ("started", "outcome", "tool_version", "rules_version")
"""What a bundle's manifest says as the run's own does, besides whose it is."""
_DIGEST: Final = re.compile(r'"[0-9a-f]{64}"')
"""SHA-256 of members: any four bytes come up in some bundle's, an address of its run too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A bundle that may leave this computer."""

    run_id: str
    octets: bytes
    sha256: str
    expanded_bytes: int
    """Of all members together."""
    ticket: str
    """Of the measurement server, to go beside the bundle; empty where there was none, and without
    `Purpose.TRACES`: it opens the traces that the server took."""


def prepare(
    run: Path,
    *,
    key: bytes,
    names: Iterable[str],
    consent: Consent,
    facts: Mapping[str, Any] | None = None,
) -> Prepared:
    """Make the bundle of a run.

    Args:
        run: Its folder; nothing in it is changed.
        key: The secret of the map of addresses, 32 bytes.
        names: What this computer and its users are called.
        consent: What may leave: without `Purpose.TRACES` no capture and no packet does.
        facts: What was found out on the original packets, beside the run's own verdict.

    Raises:
        BundleError: The run is damaged or too large.
        LeakError: Something was left that must not be.
        ConsentError: Not even the verdict may leave.
    """
    consent.require(Purpose.VERDICT)
    with_traces = Purpose.TRACES in consent.purposes
    about = _whole(run)
    session = server_session.read(run)
    require_room(run, about["members"], consent)
    contents = _chosen(run, about["members"], with_traces=with_traces)
    who = _who(contents, names)
    maps = choose(key, who)
    texts, done = Replacements(maps), Done()
    out = {}
    for name, content in contents.items():
        if name.endswith(CAPTURES):
            out[texts.text(name)] = captures.rewrite(content, maps, texts, done)
        else:
            out[texts.text(name)] = texts.document(
                _shown(name, content, about["run_id"], with_traces=with_traces)
            )
    octets = bundle.write(
        out,
        {
            "run_id": str(about["run_id"]),
            **{name: str(about.get(name, "")) for name in TOLD},
            "consent": consent.document(),
            "anonymisation": _anonymisation(who, maps.attempt, texts.masked_count, done),
            "server_session": None if session is None else texts.value(session.reference()),
            "pre_anonymisation": {
                "judged_on_originals": True,
                "original_members": {
                    texts.text(n): about["members"][n]["sha256"] for n in sorted(contents)
                },
                **(facts or {}),
            },
        },
    )
    ticket = session.ticket if session is not None and with_traces else ""
    return _required_clean(octets, who, ticket)


def _anonymisation(who: Identities, attempt: int, masked_count: int, done: Done) -> dict[str, Any]:
    return {
        "method": METHOD,
        "attempt": attempt,
        "address_count": len(who.addresses),
        "mac_count": len(who.macs),
        "name_count": len(who.names),
        "masked_count": masked_count,
        **asdict(done),
    }


def _required_clean(octets: bytes, who: Identities, ticket: str) -> Prepared:
    """Return a bundle after reading it as its receiver will, and finding nobody in it."""
    finished = bundle.read(octets)
    expanded = {name: finished.content(name) for name in finished.names}
    plain = _DIGEST.sub('""', json.dumps(finished.manifest)).encode()
    leak_scan.require_clean({**expanded, bundle.MANIFEST: plain}, who)
    return Prepared(
        run_id=finished.manifest["run_id"],
        octets=octets,
        sha256=bundle.digest(octets),
        expanded_bytes=sum(map(len, expanded.values())),
        ticket=ticket,
    )


def _whole(run: Path) -> dict[str, Any]:
    try:
        about = manifest.read(run)
        damage = manifest.differences(run)
    except manifest.ManifestError as e:
        raise BundleError(e.message, hint=e.hint) from None
    if damage:
        raise BundleError(f"{run} was changed: {damage[0]}", hint="measure again")
    return about


def require_room(run: Path, members: Iterable[str], consent: Consent) -> int:
    """Return how many bytes are to leave, before minutes of work are done in vain.

    Args:
        run: Its folder.
        members: Of its manifest; what is not there is not counted.
        consent: What may leave.

    Raises:
        BundleError: It is too large.
    """
    leaving = _leaving(members, with_traces=Purpose.TRACES in consent.purposes)
    paths = [run / name for name in leaving]
    size_bytes = sum(path.stat().st_size for path in paths if path.is_file())
    if size_bytes > bundle.EXPANDED_BYTES_LIMIT:
        raise bundle.too_large(size_bytes)
    return size_bytes


def _chosen(run: Path, members: Iterable[str], *, with_traces: bool) -> dict[str, bytes]:
    """Read what is to leave."""
    return {name: (run / name).read_bytes() for name in _leaving(members, with_traces=with_traces)}


def _leaving(members: Iterable[str], *, with_traces: bool) -> list[str]:
    return [
        name
        for name in sorted(members)
        if name not in LEFT_OUT and (with_traces or not name.endswith(CAPTURES))
    ]


def _who(contents: Mapping[str, bytes], names: Iterable[str]) -> Identities:
    found = Found()
    for name, content in contents.items():
        captures.look_at_text(name.encode(), found)
        if name.endswith(CAPTURES):
            captures.look(content, found)
        else:
            captures.look_at_text(content, found)
            _look_at_document(content, found)
    return identities.identities(found.addresses, found.macs, (*found.names, *names))


def _look_at_document(content: bytes, found: Found) -> None:
    """Note what the texts of a JSON document say once their escapes are undone."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            captures.look_at_text(value.encode(errors="replace"), found)
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += [*value.values(), *value]


def _shown(name: str, content: bytes, run_id: str, *, with_traces: bool) -> bytes:
    """Return the report without its place on this computer, and without packets unless agreed."""
    if name != "report.json":
        return content
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise BundleError("report.json is no report", hint="measure again")
    document["directory"] = str(run_id)
    if not with_traces and isinstance(document.get("report"), dict):
        document["report"]["packets"] = []
    return json.dumps(document).encode()
