"""Every path of the program, decided in one place.

`STEEP_HOME` puts everything under one folder; else platformdirs says where config, data and cache belong on this
system. Nothing is created here: the parts that write make their own folders, private ones.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import PlatformDirs

HOME_VARIABLE = "STEEP_HOME"


@dataclass(frozen=True, slots=True)
class Locations:
    """Where things are; `home` tells which variable decided, for `steep paths`."""

    config_dir: Path
    data_dir: Path
    cache_dir: Path

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
    def questions_dir(self) -> Path:
        return self.data_dir / "questions"

    @property
    def index_lock(self) -> Path:
        return self.data_dir / "indexing.lock"


def find_locations(environment: Mapping[str, str] = os.environ) -> Locations:
    """Decide from the environment."""
    home = environment.get(HOME_VARIABLE)
    if home:
        root = Path(home).expanduser().absolute()
        return Locations(root / "config", root / "data", root / "cache")
    dirs = PlatformDirs("steep", appauthor=False)
    return Locations(dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path)
