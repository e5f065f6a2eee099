import re
from pathlib import Path

import pytest

from mptcp_appliance import images, kconfig
from mptcp_appliance.errors import ImageError

README = Path(__file__).parents[3] / "kernel-config" / "README.md"


def test_unset_options_and_comments_are_not_there() -> None:
    text = '# CONFIG_A is not set\nCONFIG_B=y\n\nCONFIG_C="x y"\n#CONFIG_D=y\n'

    assert kconfig.options(text) == {"CONFIG_B": "y", "CONFIG_C": '"x y"'}


def test_what_is_built_in_needs_no_module() -> None:
    assert kconfig.check("CONFIG_MPTCP=y\n", "CONFIG_MPTCP=y\n", modules={}) == ()


def test_what_is_a_module_is_returned_for_the_image_to_carry() -> None:
    required = "CONFIG_TUN=y\nCONFIG_VETH=y\n"
    carried = {"CONFIG_TUN": ("tun",), "CONFIG_VETH": ("veth",)}

    found = kconfig.check(required, "CONFIG_TUN=m\nCONFIG_VETH=y\n", modules=carried)

    assert found == ("CONFIG_TUN",)


def test_a_missing_option_is_named() -> None:
    with pytest.raises(ImageError, match=r"lacks CONFIG_MPTCP=y; it has not set"):
        kconfig.check("CONFIG_MPTCP=y\n", "# CONFIG_MPTCP is not set\n", modules={})


def test_an_option_with_another_value_is_named() -> None:
    with pytest.raises(ImageError, match="lacks CONFIG_HZ=250; it has 100"):
        kconfig.check("CONFIG_HZ=250\n", "CONFIG_HZ=100\n", modules={})


def test_a_module_that_the_image_does_not_carry_is_named() -> None:
    with pytest.raises(ImageError, match="has CONFIG_TUN as a module") as caught:
        kconfig.check("CONFIG_TUN=y\n", "CONFIG_TUN=m\n", modules={})
    assert "[modules.root]" in caught.value.hint


def test_every_option_has_its_reason_and_every_reason_its_option() -> None:
    reasons = re.findall(r"^\| `(CONFIG_\w+)` \| \S.* \|$", README.read_text(), re.MULTILINE)
    required = kconfig.options(images.load("appliance").required_options)

    assert reasons == list(required)


def test_every_module_of_the_image_stands_for_a_required_option() -> None:
    declaration = images.load("appliance")
    rows = {*declaration.boot_modules, *declaration.root_modules}

    assert rows <= kconfig.options(declaration.required_options).keys()
