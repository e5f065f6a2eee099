"""`mptcp-check image` as its user has it: lines, exit codes, what is left."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from image_calls import Call, fetched
from image_catalogues import KEY, OTHER_KEY, made_image, serving
from minisign_oracle import minisign
from mptcp_appliance import cache, fetch_part, signing_key
from mptcp_appliance.image import read as read_image
from mptcp_check import clock, settings
from mptcp_check.cli.image import keys
from mptcp_check.errors import UsageError

DAY_NS = 86_400 * 10**9


def test_sign_prints_the_key_that_users_need(call: Call, secret: Path, tmp_path: Path) -> None:
    image = made_image(tmp_path / "image")
    said = call("sign", image, "--secret-key", secret, "--catalogue", tmp_path / "out")

    assert (said.code, said.out.strip()) == (0, KEY.public.text)
    assert "version 1, 1 image(s), good until" in said.err
    assert KEY.seed.hex() not in said.out + said.err


def test_sign_publishes_what_was_built_for_each_architecture(
    call: Call, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = {"arm64": read_image(made_image(tmp_path / "arm", architecture="arm64"))}
    monkeypatch.setattr(
        cache, "find", lambda _declaration, *, architecture, **_: built.get(architecture)
    )
    sign = ("sign", "--secret-key", secret, "--catalogue", tmp_path / "out")

    assert "1 image(s)" in call(*sign).err
    built["amd64"] = read_image(made_image(tmp_path / "amd"))
    assert "2 image(s)" in call(*sign).err
    del built["amd64"], built["arm64"]
    assert "no image was built here" in call(*sign).line


def test_build_takes_an_architecture(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def find(_declaration: object, *, architecture: str | None, **_: object) -> Any:  # noqa: ANN401
        asked.append(architecture)
        return SimpleNamespace(directory=Path("/cache/it"))

    monkeypatch.setattr(cache, "find", find)
    assert call("build", "--architecture", "arm64").out == "/cache/it\n"
    assert call("build").out == "/cache/it\n"
    assert asked == ["arm64", None]
    assert call("build", "--architecture", "vax").code == 2


def test_fetch_says_where_the_image_is_and_needs_the_key_only_once(
    call: Call, catalogue: Path
) -> None:
    folder = fetched(call, catalogue)

    assert (folder / "kernel").stat().st_size == 300_000
    again = call("fetch")
    assert (again.code, Path(again.out.strip())) == (0, folder)
    assert call("verify").code == 0


def test_a_disk_is_published_and_fetched_by_those_who_want_it(
    call: Call, secret: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    image = made_image(tmp_path / "image", command_line="console=ttyS0 root=/dev/vda")
    sign = ("sign", image, "--secret-key", secret, "--catalogue", out, "--format", "raw")

    assert call(*sign).code == 0
    assert call(*sign).code == 0, "it is there already"

    without = fetched(call, out)
    assert not (without / "appliance.raw").exists()
    said = call("fetch", "--format", "raw")
    assert (said.code, Path(said.out.strip())) == (0, without)
    assert (without / "appliance.raw").read_bytes() == (image / "appliance.raw").read_bytes()
    assert call("verify").code == 0


def test_list_shows_what_is_here_and_what_is_offered(call: Call, catalogue: Path) -> None:
    empty = call("list")
    assert (empty.code, empty.out) == (0, "")
    assert "There are no images" in empty.err
    folder = fetched(call, catalogue)

    document = json.loads(call("list", "--json").out)
    (row,) = document["images"]
    assert (row["folder"], row["from"], row["formats"]) == (
        str(folder),
        catalogue.as_uri(),
        ["direct", "efi"],
    )
    assert document["catalogues"] == [
        {"url": catalogue.as_uri(), "key": KEY.public.text, "version": 1}
    ]
    offered = json.loads(call("list", catalogue, "--json").out)
    assert (offered["version"], offered["images"][0]["digest"]) == (1, row["digest"])
    assert call("list").out.splitlines() == [
        "appliance amd64: 1 MB, kernel 6.12.1-test",
        f"  digest {str(row['digest'])[:12]}; direct, efi; from {catalogue.as_uri()}",
        f"  {folder}",
    ]
    shown = call("list", catalogue)
    assert "kernel 6.12.1-test" in shown.out
    assert "version 1, good until 20" in shown.err


def test_replaced_images_are_marked_and_pruned(call: Call) -> None:
    old = settings.places().images / f"appliance-amd64-{7:016x}"
    old.mkdir(parents=True)
    (old / "manifest.json").write_text("{}")

    listed = call("list")
    assert "replaced" in listed.out
    assert "image prune" in listed.err
    assert json.loads(call("list", "--json").out)["images"][0]["replaced"] is True
    dry = call("prune", "--dry-run")
    assert (dry.out.startswith(str(old)), "would be free" in dry.err) == (True, True)
    assert old.is_dir()
    pruned = json.loads(call("prune", "--json").out)
    assert pruned["removed"] == [{"folder": str(old), "bytes": 2}]
    assert not old.exists()
    assert "Nothing was replaced." in call("prune").err


def test_list_goes_on_where_an_image_is_damaged(call: Call, catalogue: Path) -> None:
    folder = fetched(call, catalogue)
    (folder / "manifest.json").write_text("{")

    assert "cannot be read" in json.loads(call("list", "--json").out)["images"][0]["problem"]
    assert "not usable" in call("list").out


def test_verify_names_every_image_that_is_not_as_it_was(
    call: Call, catalogue: Path, tmp_path: Path
) -> None:
    fetched_one = fetched(call, catalogue)
    built_one = tmp_path / "home" / "cache" / "images" / "appliance-amd64-0"
    shutil.copytree(tmp_path / "image", built_one)
    (built_one / "kernel").write_bytes(b"x" * 300_000)

    good = call("verify")
    assert (good.code, str(fetched_one) in good.out) == (0, True)
    assert str(built_one) not in good.out
    said = call("verify", "--all")
    assert (said.code, str(fetched_one) in said.out) == (3, True)
    assert f"{built_one}/kernel was changed" in said.line
    none = call("verify", catalogue)
    assert (none.code, "is not the folder of an image" in none.line) == (3, True)
    assert "remove" not in none.err.lower()  # nobody is told to remove what was never an image


def test_verify_by_a_key_is_for_those_who_publish(call: Call, catalogue: Path) -> None:
    (folder,) = (path for path in catalogue.iterdir() if path.is_dir())

    good = call("verify", folder, "--key", KEY.public.text)
    assert (good.code, KEY.public.name in good.out) == (0, True)
    wrong = call("verify", folder, "--key", OTHER_KEY.public.text)
    assert (wrong.code, "not with the trusted key" in wrong.line) == (3, True)


def test_a_key_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:  # root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    closed = tmp_path / "lab.key.pub"

    with pytest.raises(UsageError, match=f"{closed} cannot be read: you may not"):
        keys.public_key(str(closed))


def test_verify_without_an_image_says_how_to_get_one(call: Call) -> None:
    said = call("verify")

    assert said.code == 3
    assert "there is no image in" in said.line


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fetch",), 2, "no catalogue of images is known"),
        (("fetch", "ftp://x/y"), 2, "is not the address of a catalogue"),
        (("fetch", "{out}"), 3, "so its key must be given"),
        (("fetch", "{out}", "--key", "nonsense"), 2, "--key 'nonsense' is no public key"),
        (("fetch", "{out}", "--key", "{out}/catalogue.json"), 2, "holds no public key"),
        (("fetch", "{out}", "--replace-key"), 2, "--replace-key needs the key"),
        (("fetch", "{out}/none", "--key", "{key}"), 3, "there is no catalogue at file:"),
        (("fetch", "{out}", "--key", "{other}"), 3, "not with the trusted key"),
        (("fetch", "{out}", "--key", "{key}", "--name", "x"), 3, "has no image x for"),
        (("fetch", "{out}", "--key", "{key}", "--architecture", "vax"), 3, "appliance for vax"),
        (
            ("fetch", "{out}", "--key", "{key}", "--format", "vmdk"),
            3,
            "does not come as vmdk",
        ),
        (("list", "{out}"), 3, "so its key must be given"),
        (("sign", "--secret-key", "{out}/none", "--catalogue", "{out}"), 3, "no image was built"),
        (
            ("sign", "{out}", "--secret-key", "{out}/none", "--catalogue", "{out}"),
            2,
            "there is no secret key",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_the_contracts_code(  # noqa: PLR0917 - fixtures
    call: Call, catalogue: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    names = {"out": catalogue, "key": KEY.public.text, "other": OTHER_KEY.public.text}

    said = call(*(word.format(**names) for word in arguments))

    assert (said.code, message in said.line) == (code, True), said.err
    assert not list((tmp_path / "home").rglob("kernel"))


def test_an_expired_catalogue_is_one_line_and_how_to_go_on(
    call: Call, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later_ns = clock.wall_ns() + 91 * DAY_NS
    monkeypatch.setattr(clock, "wall_ns", lambda: later_ns)

    said = call("fetch", catalogue, "--key", KEY.public.text)

    assert (said.code, "expired at" in said.line) == (3, True)
    assert "next step: correct the clock" in said.err


def test_a_renewed_catalogue_is_good_again(
    call: Call, catalogue: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later_ns = clock.wall_ns() + 91 * DAY_NS
    monkeypatch.setattr(clock, "wall_ns", lambda: later_ns)

    renewed = call("sign", "--renew", "--secret-key", secret, "--catalogue", catalogue)
    assert (renewed.code, "version 2, 1 image(s)" in renewed.err) == (0, True)
    fetched(call, catalogue)


def test_an_older_catalogue_is_refused(
    call: Call, catalogue: Path, secret: Path, tmp_path: Path
) -> None:
    shutil.copytree(catalogue, tmp_path / "old")
    call("sign", "--renew", "--secret-key", secret, "--catalogue", catalogue)
    folder = fetched(call, catalogue)
    shutil.rmtree(catalogue)
    shutil.copytree(tmp_path / "old", catalogue)

    said = call("fetch")

    assert (said.code, "version 2 was seen before" in said.line) == (3, True)
    assert folder.is_dir()
    assert call("verify").code == 0


def test_a_new_key_takes_over_from_the_old_one(
    call: Call, catalogue: Path, secret: Path, tmp_path: Path
) -> None:
    folder = fetched(call, catalogue)
    new = tmp_path / "new.key"
    signing_key.create(new, signing_key.write(OTHER_KEY, password="", salt=b""))

    said = call(
        "sign", "--renew", "--secret-key", new, "--old-key", secret, "--catalogue", catalogue
    )
    assert (said.code, said.out.strip()) == (0, OTHER_KEY.public.text)
    again = call("fetch")
    assert (again.code, Path(again.out.strip())) == (0, folder)
    assert json.loads(call("list", "--json").out)["catalogues"][0]["key"] == OTHER_KEY.public.text


def test_an_interrupted_fetch_says_that_it_goes_on(
    call: Call, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetch_part, "_receive", interrupt)
        said = call("fetch", catalogue, "--key", KEY.public.text)

    assert (said.code, "what came so far is kept" in said.line) == (130, True)
    assert call("verify").code == 3
    fetched(call, catalogue)


def test_keygen_makes_keys_that_minisign_takes(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "new.key"
    (tmp_path / "password").write_text("geheim\n")

    said = call("keygen", path, "--no-password")

    assert said.code == 0
    assert said.out.strip() == (tmp_path / "new.key.pub").read_text().splitlines()[1]
    (tmp_path / "f").write_text("text")
    assert minisign("-Sm", "f", "-s", "new.key", cwd=tmp_path).returncode == 0
    assert minisign("-Vm", "f", "-p", "new.key.pub", cwd=tmp_path).returncode == 0
    again = call("keygen", path, "--no-password")
    assert (again.code, "exists already" in again.line) == (2, True)


def test_a_key_with_a_password_asks_for_it_or_reads_it_from_a_file(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        signing_key.write, "__kwdefaults__", {"operations": 1 << 15, "memory_bytes": 1 << 24}
    )
    (tmp_path / "password").write_text("geheim\n")
    (tmp_path / "wrong").write_text("falsch\n")
    (tmp_path / "empty").write_text("")
    monkeypatch.setattr(keys, "TERMINAL", tmp_path / "none")
    nobody = call("keygen", tmp_path / "new.key")
    assert (nobody.code, "there is no terminal to ask for a new password" in nobody.line) == (
        2,
        True,
    )
    key, image = tmp_path / "new.key", made_image(tmp_path / "image")
    assert call("keygen", key, "--password-file", tmp_path / "empty").code == 2
    assert call("keygen", key, "--password-file", tmp_path / "password").code == 0
    sign = ("sign", image, "--secret-key", key, "--catalogue", tmp_path / "out")

    wrong = call(*sign, "--password-file", tmp_path / "wrong")
    assert (wrong.code, "the password is wrong" in wrong.line) == (2, True)
    nobody = call(*sign)
    assert (nobody.code, "there is no terminal to ask for the password of" in nobody.line) == (
        2,
        True,
    )
    assert "--password-file" in nobody.err
    public = call(*sign[:3], f"{key}.pub", *sign[4:])
    assert (public.code, "is a public key, which signs nothing" in public.line) == (2, True)
    assert not (tmp_path / "out").exists()
    said = call(*sign, "--password-file", tmp_path / "password")
    assert said.code == 0, said.err
    assert "geheim" not in said.out + said.err


def test_over_http_the_program_says_who_it_is(call: Call, catalogue: Path) -> None:
    with serving(catalogue) as (url, wrong):
        said = call("list", url, "--key", KEY.public.text)
    assert said.code == 0, said.err
    assert wrong.requests[0][1]["user-agent"].startswith("mptcp-check/")
