import gzip
import lzma
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from appliance_declaration import module
from mptcp_appliance import modules
from mptcp_appliance.errors import ImageError
from mptcp_appliance.modules import Module


def a_module(name: str, *needs: str, prefers: tuple[str, ...] = ()) -> Module:
    return Module(
        name=name,
        path=f"kernel/{name}.ko",
        data=b"",
        needs=needs,
        prefers=prefers,
        aliases=(f"alias-{name}",),
    )


def names(found: tuple[Module, ...]) -> list[str]:
    return [module.name for module in found]


def test_a_module_says_what_it_needs_prefers_and_answers_to() -> None:
    elf = module(
        "alias=net-pf-16", "depends=nf-tables,libcrc32c", "softdep=pre: crc32c post: late", "x"
    )

    found = modules.expand("kernel/net/nft-ct.ko", elf)

    assert found.name == "nft_ct"
    assert found.needs == ("nf_tables", "libcrc32c")
    assert found.prefers == ("crc32c",)
    assert found.aliases == ("net-pf-16",)


def test_a_module_that_needs_nothing_has_an_empty_text() -> None:
    assert modules.expand("tun.ko", module("depends=")).needs == ()


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".ko", bytes),
        (".ko.gz", gzip.compress),
        (".ko.xz", lzma.compress),
        (".ko.zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_modules_are_expanded_however_they_are_packed(
    suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    elf = module("depends=a")

    found = modules.expand(f"kernel/x{suffix}", pack(elf))

    assert (found.path, found.data) == ("kernel/x.ko", elf)


def test_an_unknown_packing_is_named() -> None:
    with pytest.raises(ImageError, match=r"kernel/x\.ko\.lz4"):
        modules.expand("kernel/x.ko.lz4", b"")


@given(st.binary(max_size=400), st.integers(0, 300))
def test_a_broken_object_is_an_error_and_nothing_worse(junk: bytes, at: int) -> None:
    elf = bytearray(module("depends=a,b", "alias=c"))
    elf[at : at + len(junk)] = junk
    try:
        texts = modules.modinfo(bytes(elf))
    except ImageError:
        return
    assert all(isinstance(text, str) for text in texts)


def test_needs_come_first_and_once() -> None:
    known = {m.name: m for m in (a_module("c", "b", "a"), a_module("b", "a"), a_module("a"))}

    found = modules.closure(["c", "a"], known.get, built_in=frozenset())

    assert names(found) == ["a", "b", "c"]


def test_a_dash_in_a_name_is_an_underscore() -> None:
    found = modules.closure(
        ["virtio-rng"], {"virtio_rng": a_module("virtio_rng")}.get, built_in=frozenset()
    )
    assert names(found) == ["virtio_rng"]


def test_what_is_built_in_needs_no_file() -> None:
    known = {"a": a_module("a", "core")}

    assert names(modules.closure(["a"], known.get, built_in=frozenset({"core"}))) == ["a"]


def test_a_preferred_module_that_does_not_exist_is_no_loss() -> None:
    known = {"a": a_module("a", prefers=("crc32c",))}

    assert names(modules.closure(["a"], known.get, built_in=frozenset())) == ["a"]


def test_a_module_that_does_not_exist_is_named_with_who_wants_it() -> None:
    known = {"a": a_module("a", "b")}

    with pytest.raises(ImageError, match="no module b, which a needs"):
        modules.closure(["a"], known.get, built_in=frozenset())


def test_a_circle_of_needs_ends() -> None:
    known = {"a": a_module("a", "b"), "b": a_module("b", "a")}

    assert names(modules.closure(["a"], known.get, built_in=frozenset())) == ["b", "a"]


@given(
    st.lists(st.integers(0, 9), min_size=10, max_size=10),
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
)
def test_every_module_comes_after_what_it_needs(needs: list[int], wanted: list[int]) -> None:
    # module n needs some module below n: no circles
    known = {f"m{n}": a_module(f"m{n}", *([f"m{k % n}"] if n else [])) for n, k in enumerate(needs)}

    found = names(modules.closure([f"m{n}" for n in wanted], known.get, built_in=frozenset()))

    assert {f"m{n}" for n in wanted} <= set(found)
    assert len(found) == len(set(found))
    for at, name in enumerate(found):
        assert set(known[name].needs) <= set(found[:at])


def test_a_line_of_modules_dep_has_all_needs_the_first_to_load_last() -> None:
    chosen = (a_module("a"), a_module("b", "a"), a_module("c", "b"))

    assert modules.dependency_table(chosen) == (
        "kernel/a.ko:\nkernel/b.ko: kernel/a.ko\nkernel/c.ko: kernel/b.ko kernel/a.ko\n"
    )


def test_modules_alias_tells_who_answers() -> None:
    assert modules.alias_table([a_module("b"), a_module("a")]) == (
        "alias alias-a a\nalias alias-b b\n"
    )
