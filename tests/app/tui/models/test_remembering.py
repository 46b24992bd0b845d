"""The model that answers from now on, in the config file."""

import os
from pathlib import Path

import pytest

from app.errors import SettingsInvalid
from app.locations import Locations
from app.models.choice import find_model
from app.settings import load_settings
from app.tui.models.remembering import remember_model
from tests.app.models.gguf_files import put_model

pytestmark = pytest.mark.usefixtures("no_starters")


def remembered(locations: Locations) -> str:
    return load_settings(locations.config_file, {}, {}).model


def test_a_listed_model_is_remembered_by_its_name(locations: Locations):
    path = put_model(locations.models_dir / "a.gguf")
    remember_model(locations, path)
    assert remembered(locations) == "a"
    found = find_model(remembered(locations), locations)
    assert found
    assert found.path == path


def test_a_model_that_lies_elsewhere_is_remembered_by_its_path(locations: Locations, tmp_path: Path):
    path = put_model(tmp_path / "elsewhere/b.gguf")
    remember_model(locations, path)
    assert remembered(locations) == os.fspath(path)


def test_a_model_is_remembered_by_its_path_where_its_name_is_another_ones(locations: Locations, tmp_path: Path):
    put_model(locations.models_dir / "a.gguf")
    path = put_model(tmp_path / "elsewhere/a.gguf")
    remember_model(locations, path)
    assert remembered(locations) == os.fspath(path)


def test_a_config_file_that_is_no_toml_is_left_alone(locations: Locations):
    path = put_model(locations.models_dir / "a.gguf")
    locations.config_dir.mkdir()
    locations.config_file.write_text("model = ")
    with pytest.raises(SettingsInvalid):
        remember_model(locations, path)
    assert locations.config_file.read_text() == "model = "
