import pytest

from appliance_declaration import parts
from mptcp_appliance import toml_reader
from mptcp_appliance.declaration import Declaration, declaration, derived
from mptcp_appliance.errors import ImageError
from mptcp_appliance.kernel_declaration import BinaryKernel, SourceKernel

TEXT = """
name = "small"
suite = "bookworm"
source_date_epoch = 1
packages = ["curl"]
exclude = []
directories = [{path = "srv", mode = 0o755, user = "root"}]
users = [{name = "mptcp", id = 1000, home = "/srv", shell = "/bin/sh"}]
[kernel]
command_line = ["quiet"]
console = {amd64 = "ttyS0"}
[kernel.binary]
package = "linux-image-%s"
[kernel.binary.modules.boot]
CONFIG_OVERLAY_FS = ["overlay"]
[kernel.binary.modules.root]
"""


def read(text: str) -> Declaration:
    return declaration(toml_reader.read(text, "image.toml"), **parts())


def test_a_whole_declaration_is_read() -> None:
    found = read(TEXT)

    assert found.name == "small"
    assert found.directories[0].mode == 0o755
    assert found.users[0].home == "/srv"
    assert found.consoles == {"amd64": "ttyS0"}
    assert isinstance(found.kernel, BinaryKernel)
    assert found.kernel.boot_modules == {"CONFIG_OVERLAY_FS": ("overlay",)}
    assert [r.option for r in found.kernel.required][-1] == "CONFIG_MPTCP"
    assert found.selftests is False


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "small"', "", "image.toml has no name"),
        ('name = "small"', "name = 5", "name is not a text"),
        ("source_date_epoch = 1", "source_date_epoch = true", "is not a whole number"),
        ('["curl"]', '"curl"', "packages is not a list"),
        ('["curl"]', "[1]", "packages is not a list of texts"),
        ("exclude", "excludes", "has no exclude"),
        ('name = "small"', 'name = "a"\nadress = 1', "keys that mean nothing: adress"),
        ('["quiet"]', '["quiet"]\ninitrd = 1', "image.toml: kernel has keys that mean nothing"),
        ('user = "root"', 'user = "root", group = "x"', r"directories\[0\] has keys"),
        ("[{path", '["x", {path', "directories is not a list of tables"),
        ('["overlay"]', "1", "binary: modules: boot: CONFIG_OVERLAY_FS is not a list"),
        ("[kernel]", "[kernel", "is not TOML"),
        ('name = "small"', 'name = "a"\nselftests = 1', "selftests is not true or false"),
        ('["quiet"]', '["quiet"]\nsource = {}', "kernel is not one of source and binary"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ImageError, match=message) as caught:
        read(TEXT.replace(old, new, 1))
    assert caught.value.hint


SOURCE = """
[kernel]
command_line = []
console = {}
[kernel.source]
package = "linux-source-6"
version = "6.1-1"
fragments = ["required"]
[kernel.source.fragments_of]
amd64 = ["amd64"]
"""


def test_a_kernel_from_source_asks_for_its_fragments_one_after_the_other() -> None:
    found = read(TEXT[: TEXT.index("[kernel]")] + SOURCE)

    assert isinstance(found.kernel, SourceKernel)
    asked = [(r.fragment, r.option) for r in found.kernel.requests["amd64"]]
    assert asked[0] == ("required", "CONFIG_OVERLAY_FS")
    assert asked[-1] == ("amd64", "CONFIG_PVH")


def test_an_unknown_fragment_is_named_with_the_known_ones() -> None:
    text = TEXT[: TEXT.index("[kernel]")] + SOURCE.replace('["amd64"]', '["riscv"]')

    with pytest.raises(ImageError, match="names the kernel fragment riscv") as caught:
        read(text)
    assert caught.value.hint == "known: amd64, required"


def test_an_image_like_another_has_its_own_keys_and_more_packages() -> None:
    base = {"name": "a", "packages": ["curl"], "suite": "s"}

    found = derived(base, {"name": "b", "more_packages": ["jq"]}, where="image.toml")

    assert found == {"name": "b", "packages": ["curl", "jq"], "suite": "s"}
    assert base["packages"] == ["curl"]


def test_packages_of_an_image_like_another_are_a_list() -> None:
    with pytest.raises(ImageError, match="more_packages is not a list"):
        derived({"packages": []}, {"more_packages": "jq"}, where="image.toml")
