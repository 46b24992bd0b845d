"""Writes which model is to answer from now on into the config file. Any thread."""

import os
from pathlib import Path

from app.locations import Locations
from app.models.choice import find_model
from app.models.discovery import list_models
from app.models.listed import name_of
from app.remembered import remember_setting


def remember_model(locations: Locations, path: Path) -> None:
    """By its name, which outlives an update of the file; by its path where the name says another one, or none.

    Raises `SettingsInvalid` when the config file is no TOML, or OSError.
    """
    name = name_of(path, list_models(locations))
    found = find_model(name, locations)
    is_it = found is not None and found.path is not None and found.path.samefile(path)
    remember_setting(locations.config_file, "model", name if is_it else os.fspath(path.absolute()))
