"""An image that is published, and who may call for it."""

from pathlib import Path

import pytest

from image_calls import Call, Said
from image_catalogues import KEY, made_image
from mptcp_appliance import signing_key
from mptcp_check.cli import main as entry


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.setenv("MPTCP_CHECK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    def called(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            entry.main(["image", *map(str, arguments)])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(code=ended.value.code, out=said.out, err=said.err)

    return called


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "lab.key"
    signing_key.create(path, signing_key.write(KEY, password="", salt=b""))
    return path


@pytest.fixture
def catalogue(call: Call, secret: Path, tmp_path: Path) -> Path:
    said = call(
        "sign",
        made_image(tmp_path / "image"),
        "--secret-key",
        secret,
        "--catalogue",
        tmp_path / "out",
    )
    assert said.code == 0, said.err
    return tmp_path / "out"
