import pytest

from appliance_declaration import parts
from mptcp_appliance.declaration import declaration
from mptcp_appliance.errors import ImageError

TEXT = """
name = "small"
suite = "bookworm"
source_date_epoch = 1
packages = ["curl"]
exclude = []
directories = [{path = "srv", mode = 0o755, user = "root"}]
users = [{name = "mptcp", id = 1000, home = "/srv", shell = "/bin/sh"}]
[kernel]
package = "linux-image-%s"
command_line = ["quiet"]
console = {amd64 = "ttyS0"}
[modules.boot]
CONFIG_OVERLAY_FS = ["overlay"]
[modules.root]
"""


def test_a_whole_declaration_is_read() -> None:
    found = declaration(TEXT, **parts())

    assert found.name == "small"
    assert found.directories[0].mode == 0o755
    assert found.users[0].home == "/srv"
    assert found.consoles == {"amd64": "ttyS0"}
    assert found.boot_modules == {"CONFIG_OVERLAY_FS": ("overlay",)}


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
        ('["overlay"]', "1", "modules: boot: CONFIG_OVERLAY_FS is not a list"),
        ("[kernel]", "[kernel", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ImageError, match=message) as caught:
        declaration(TEXT.replace(old, new, 1), **parts())
    assert caught.value.hint
