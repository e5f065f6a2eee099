"""Which of a machine's apt sources are Debian's own archive of one suite.

Only those may feed an image: a third party's repository could replace packages, and
this machine's mirror, proxy or snapshot is kept, whatever it is called.
"""

import re
from collections.abc import Iterable

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def debian_entries(texts: Iterable[tuple[str, str]], *, suite: str) -> str:
    """Pick Debian's entries of `suite`, its updates and its security updates.

    An entry is Debian's if it offers the component ``main`` of one of these suites and is
    signed by Debian's archive keyring. An entry that does not say by what it is signed
    is bound to that keyring here, so that a stranger's repository fails instead of feeding.

    Args:
        texts: Name and content of each file of apt's configuration; the name tells
            the format (``.sources``: deb822, otherwise one line for each entry).
        suite: Debian's code name.

    Returns:
        Entries in deb822 format, one paragraph each, empty if there is none.
    """
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    paragraphs = []
    for name, text in sorted(texts):
        fields_of = _deb822 if name.endswith(".sources") else _one_line
        for fields in fields_of(text):
            suites = [word for word in fields["suites"].split() if word in wanted]
            signed_by = fields.get("signed-by", KEYRING)
            if (
                "deb" in fields["types"].split()
                and suites
                and "main" in fields["components"].split()
                and fields.get("enabled", "yes").lower() != "no"
                and "debian-archive" in signed_by.rsplit("/", 1)[-1]
            ):
                paragraphs.append(
                    f"Types: deb\nURIs: {fields['uris']}\nSuites: {' '.join(suites)}\n"
                    f"Components: main\nSigned-By: {signed_by}\n"
                )
    return "\n".join(paragraphs)


def _deb822(text: str) -> Iterable[dict[str, str]]:
    """Yield the fields of each paragraph, names in lower case (sources.list(5), deb822(5))."""
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n[ \t]*\n", without_comments):
        joined = re.sub(r"\n[ \t]+", " ", paragraph.strip("\n"))
        rows = [line.partition(":") for line in joined.splitlines()]
        fields = {key.strip().lower(): value.strip() for key, colon, value in rows if colon}
        if {"types", "uris", "suites"} <= fields.keys():
            yield {"components": "", **fields}


def _one_line(text: str) -> Iterable[dict[str, str]]:
    """Yield the fields of each line ``deb [options] uri suite component...``."""
    entry = re.compile(r"^\s*(deb)\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#\n]*)", re.MULTILINE)
    for kind, options, uri, suite, components in entry.findall(text):
        given = dict(word.partition("=")[::2] for word in options.split())
        signed_by = {"signed-by": given["signed-by"]} if "signed-by" in given else {}
        yield {
            "types": kind,
            "uris": uri,
            "suites": suite,
            "components": components,
            **signed_by,
        }
