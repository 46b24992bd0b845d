"""Every path of the program, decided in one place.

`STEEP_HOME` puts everything under one folder; else platformdirs says where config, data and cache belong on this
system. Nothing is created here: the parts that write make their own folders, private ones.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from platformdirs import PlatformDirs

from app.models.places import Layout, Place, find_places

HOME_VARIABLE = "STEEP_HOME"


@dataclass(frozen=True, slots=True)
class Locations:
    """Where things are; `home` tells which variable decided, for `steep paths`."""

    config_dir: Path
    data_dir: Path
    cache_dir: Path
    model_places: tuple[Place, ...] = ()
    """Where other programs keep models."""

    @property
    def config_file(self) -> Path:
        return self.config_dir / "config.toml"

    @property
    def index_file(self) -> Path:
        return self.data_dir / "index.sqlite3"

    @property
    def states_dir(self) -> Path:
        return self.data_dir / "kv"

    @property
    def vectors_dir(self) -> Path:
        return self.data_dir / "vectors"

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @property
    def downloads_dir(self) -> Path:
        """Where models from the Hugging Face hub go: the cache that other programs use as well."""
        shared = (place.folder for place in reversed(self.model_places) if place.layout is Layout.HUB)
        return next(shared, self.cache_dir / "huggingface")

    @property
    def questions_dir(self) -> Path:
        return self.data_dir / "questions"

    @property
    def log_file(self) -> Path:
        """Of the app: what would have gone to the terminal."""
        return self.data_dir / "steep.log"

    @property
    def index_lock(self) -> Path:
        return self.data_dir / "indexing.lock"


def find_locations(environment: Mapping[str, str] = os.environ) -> Locations:
    """Decide from the environment."""
    places = find_places(environment, _home_of_user(environment), sys.platform)
    return replace(_find_ours(environment), model_places=places)


def _find_ours(environment: Mapping[str, str]) -> Locations:
    home = environment.get(HOME_VARIABLE)
    if home:
        root = Path(home).expanduser().absolute()
        return Locations(root / "config", root / "data", root / "cache")
    dirs = PlatformDirs("steep", appauthor=False)
    return Locations(dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path)


def _home_of_user(environment: Mapping[str, str]) -> Path:
    told = environment.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    return Path(told) if told else Path.home()
