"""A store of states of one's own for a measurement: the user's index and states stay as they are.

It lies in a hidden folder within that of the user's states, so that it is on the same disk, and is removed in the end;
what a killed measurement left is removed by the next one.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from app.errors import AppError
from app.wiring import Parts
from app.wording import size
from storage import private_folder
from storage.index import Index
from storage.store import StateStore

_PREFIX = ".bench-"

_FREE_SHARE = 0.9
"""Of the free disk, what a measurement may fill."""


class DiskTooSmall(AppError):
    """The disk has no room for the states to measure with."""


@contextmanager
def own_parts(parts: Parts) -> Iterator[Parts]:
    """The same settings and models over an empty index and store."""
    root = parts.locations.states_dir
    private_folder.make(root)
    _remove_left(root)
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=root) as folder:
        locations = replace(parts.locations, data_dir=Path(folder))
        with Index(locations.index_file) as index:
            yield Parts(locations, parts.settings, index, StateStore(locations.states_dir, index))


def check_room(parts: Parts, num_bytes: int) -> None:
    """Raises `DiskTooSmall` where states of so many bytes would fill the disk."""
    root = parts.locations.states_dir
    free = shutil.disk_usage(root if root.exists() else parts.locations.data_dir).free
    if num_bytes > _FREE_SHARE * free:
        raise DiskTooSmall(
            f"the states to measure with take {size(num_bytes)}, and {root} has {size(free)} left. "
            "Measure with smaller --sizes, or free some disk."
        )


def _remove_left(root: Path) -> None:
    for folder in root.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-", 1)[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
