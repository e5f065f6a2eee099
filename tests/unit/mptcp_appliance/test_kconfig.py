import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import images, kconfig
from mptcp_appliance.errors import ImageError
from mptcp_appliance.kconfig import Request
from mptcp_appliance.kernel_declaration import BinaryKernel, SourceKernel

FOLDER = Path(__file__).parents[3] / "kernel-config"
SELFTESTS_NEED = """
KALLSYMS MPTCP IPV6 MPTCP_IPV6 INET_DIAG INET_MPTCP_DIAG VETH NET_SCH_NETEM SYN_COOKIES NETFILTER
NETFILTER_ADVANCED NETFILTER_NETLINK NF_TABLES NFT_COMPAT NETFILTER_XTABLES NETFILTER_XT_MATCH_BPF
NETFILTER_XT_MATCH_LENGTH NETFILTER_XT_MATCH_STATISTIC NETFILTER_XT_TARGET_MARK NF_TABLES_INET
NFT_TPROXY NFT_SOCKET IP_ADVANCED_ROUTER IP_MULTIPLE_TABLES IP_NF_FILTER IP_NF_MANGLE
IP_NF_TARGET_REJECT IPV6_MULTIPLE_TABLES IP6_NF_FILTER NET_ACT_CSUM NET_ACT_PEDIT NET_CLS_ACT
NET_CLS_FW NET_SCH_INGRESS
"""
"""tools/testing/selftests/net/mptcp/config of Linux 6.12."""


def requests(text: str) -> tuple[Request, ...]:
    return kconfig.parse("some", text)


def test_unset_options_and_comments_are_not_there() -> None:
    text = '# CONFIG_A is not set\nCONFIG_B=y\n\nCONFIG_C="x y"\n#CONFIG_D=y\n'

    assert kconfig.options(text) == {"CONFIG_B": "y", "CONFIG_C": '"x y"'}


def test_a_fragment_has_an_option_and_its_reason_in_each_line() -> None:
    found = requests(
        '# Title\n\nCONFIG_A=y   # why\nCONFIG_B="a # b"  # because\nCONFIG_C=n # no\n'
    )

    assert [(r.option, r.value, r.reason) for r in found] == [
        ("CONFIG_A", "y", "why"),
        ("CONFIG_B", '"a # b"', "because"),
        ("CONFIG_C", "n", "no"),
    ]
    assert {r.fragment for r in found} == {"some"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CONFIG_A=y\n", "line 1 of the kernel fragment some asks for CONFIG_A without a reason"),
        ("\nCONFIG_A=y #\n", "line 2 .* asks for CONFIG_A without a reason"),
        ("CONFIG_A y # x\n", "is not an option"),
        ("A=y # x\n", "is not an option"),
        ('CONFIG_A="x # y\n', "is not an option"),
    ],
)
def test_a_line_that_is_no_request_is_named(text: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        requests(text)


@given(st.text())
def test_a_fragment_is_read_or_refused_whatever_it_holds(text: str) -> None:
    try:
        found = requests(text)
    except ImageError:
        return
    assert all(r.option.startswith("CONFIG_") and r.value and r.reason for r in found)


def test_fragments_are_added_up_in_their_order() -> None:
    found = kconfig.merge([("b", "CONFIG_B=y # x\n"), ("a", "CONFIG_A=8 # x\nCONFIG_C=n # x\n")])

    assert kconfig.seed(found) == "CONFIG_B=y\nCONFIG_A=8\n# CONFIG_C is not set\n"


def test_an_option_that_stands_twice_is_named_with_both_fragments() -> None:
    with pytest.raises(ImageError, match=r"CONFIG_A is asked for twice: .* base and virt"):
        kconfig.merge([("base", "CONFIG_A=y # x\n"), ("virt", "CONFIG_A=y # y\n")])


def test_what_was_taken_is_no_error() -> None:
    kconfig.require_taken(
        requests("CONFIG_A=y # x\nCONFIG_B=n # x\n"), "CONFIG_A=y\n# CONFIG_B is not set\n"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("", "did not take CONFIG_A=y of some .became not set."),
        ("CONFIG_A=m\n", "CONFIG_A=y of some .became m."),
        ("CONFIG_A=y\nCONFIG_B=y\n", "CONFIG_B=n of some .became y."),
    ],
)
def test_an_option_that_was_not_taken_is_named_with_its_fragment(config: str, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        kconfig.require_taken(requests("CONFIG_A=y # x\nCONFIG_B=n # x\n"), config)
    assert "depends" in caught.value.hint


def test_of_many_lost_options_the_first_are_named_and_the_rest_counted() -> None:
    text = "".join(f"CONFIG_{letter}=y # x\n" for letter in "ABCDEFG")

    with pytest.raises(ImageError, match=r"CONFIG_E=y of some .* and 2 more"):
        kconfig.require_taken(requests(text), "")


def test_what_is_built_in_needs_no_module() -> None:
    assert kconfig.check(requests("CONFIG_MPTCP=y # x\n"), "CONFIG_MPTCP=y\n", modules={}) == ()


def test_what_is_a_module_is_returned_for_the_image_to_carry() -> None:
    required = requests("CONFIG_TUN=y # x\nCONFIG_VETH=y # x\n")
    carried = {"CONFIG_TUN": ("tun",), "CONFIG_VETH": ("veth",)}

    found = kconfig.check(required, "CONFIG_TUN=m\nCONFIG_VETH=y\n", modules=carried)

    assert found == ("CONFIG_TUN",)


def test_a_missing_option_is_named_with_its_reason() -> None:
    with pytest.raises(ImageError, match=r"lacks CONFIG_MPTCP=y \(RFC 8684\); it has not set"):
        kconfig.check(
            requests("CONFIG_MPTCP=y # RFC 8684\n"), "# CONFIG_MPTCP is not set\n", modules={}
        )


def test_an_option_with_another_value_is_named() -> None:
    with pytest.raises(ImageError, match=r"lacks CONFIG_HZ=250 .* it has 100"):
        kconfig.check(requests("CONFIG_HZ=250 # x\n"), "CONFIG_HZ=100\n", modules={})


def test_a_module_that_the_image_does_not_carry_is_named() -> None:
    with pytest.raises(ImageError, match="has CONFIG_TUN as a module") as caught:
        kconfig.check(requests("CONFIG_TUN=y # x\n"), "CONFIG_TUN=m\n", modules={})
    assert "[kernel.binary.modules.root]" in caught.value.hint


def test_every_fragment_is_used_and_its_purpose_stands_in_the_readme() -> None:
    kernel = images.load("appliance").kernel
    assert isinstance(kernel, SourceKernel)
    used = {r.fragment for asked in kernel.requests.values() for r in asked}
    readme = re.findall(
        r"^\| `(\w+)\.config` \| \S.* \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )

    assert used == {path.stem for path in FOLDER.glob("*.config")} == set(readme)


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_kernel_asks_for_all_that_upstreams_selftests_need(architecture: str) -> None:
    kernel = images.load("appliance").kernel
    assert isinstance(kernel, SourceKernel)
    asked = {r.option for r in kernel.requests[architecture] if r.value == "y"}

    assert {f"CONFIG_{name}" for name in SELFTESTS_NEED.split()} <= asked


def test_every_module_of_the_image_stands_for_a_required_option() -> None:
    kernel = images.load("cloud").kernel
    assert isinstance(kernel, BinaryKernel)
    rows = {*kernel.boot_modules, *kernel.root_modules}

    assert rows <= {r.option for r in kernel.required}
