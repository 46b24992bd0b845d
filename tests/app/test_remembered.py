import os
from pathlib import Path

import pytest

from app.errors import SettingsInvalid
from app.remembered import remember_setting
from app.settings import load_settings

CONFIG = """\
# My settings.
ratio = 0.2  # more than the default

[keys]
"chat.stop" = "escape"
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "config.toml"


def write(config_file: Path, text: str) -> None:
    config_file.parent.mkdir(exist_ok=True)
    config_file.write_text(text, "utf-8")


def test_a_setting_that_is_remembered_is_read_again(config_file: Path):
    remember_setting(config_file, "model", 'a "quoted" name: 1.5B\\n')
    remember_setting(config_file, "ratio", 0.5)
    settings = load_settings(config_file, {}, {})
    assert (settings.model, settings.ratio) == ('a "quoted" name: 1.5B\\n', 0.5)


def test_comments_tables_and_other_settings_stay(config_file: Path):
    write(config_file, CONFIG)
    remember_setting(config_file, "model", "small")
    text = config_file.read_text("utf-8")
    assert "# My settings." in text
    assert "ratio = 0.2  # more than the default" in text
    settings = load_settings(config_file, {}, {})
    assert (settings.model, settings.ratio, settings.keys) == ("small", 0.2, (("chat.stop", "escape"),))


def test_a_setting_is_replaced_in_its_place(config_file: Path):
    write(config_file, CONFIG)
    remember_setting(config_file, "ratio", 0.3)
    assert config_file.read_text("utf-8") == CONFIG.replace("0.2 ", "0.3 ")


@pytest.mark.skipif(os.name == "nt", reason="rights are kept otherwise there")
def test_the_file_is_its_owners_alone_and_nothing_stays_beside_it(config_file: Path):
    write(config_file, CONFIG)
    config_file.chmod(0o644)
    remember_setting(config_file, "model", "small")
    assert config_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in config_file.parent.iterdir()] == ["config.toml"]


def test_a_link_to_the_config_file_stays_a_link(config_file: Path, tmp_path: Path):
    write(config_file, "")
    dotfile = tmp_path / "dotfile.toml"
    config_file.unlink()
    dotfile.write_text("ratio = 0.2\n")
    config_file.symlink_to(dotfile)
    remember_setting(config_file, "model", "small")
    assert config_file.is_symlink()
    assert dotfile.read_text() == 'ratio = 0.2\nmodel = "small"\n'


@pytest.mark.parametrize("damaged", [b"ratio = = 1", b"model = '\xff'"])
def test_a_file_that_is_no_toml_is_named_and_left_alone(config_file: Path, damaged: bytes):
    write(config_file, "")
    config_file.write_bytes(damaged)
    with pytest.raises(SettingsInvalid, match=r"config\.toml is not valid TOML, so nothing can be written into it"):
        remember_setting(config_file, "model", "small")
    assert config_file.read_bytes() == damaged
