"""What lies in the folder of the state store: one walk, nothing opened.

Paths are strings: a large store has 100,000 files, and a Path for each would take longer than the walk.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.content_key import NUM_FINGERPRINT_BYTES
from storage.values import StateKey

Statuses = Mapping[str, os.stat_result]
"""By path."""

_HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class FingerprintFolder:
    """One folder of the store: the status of itself and of everything below."""

    path: Path
    statuses: Statuses

    @property
    def fingerprint(self) -> str:
        return self.path.name

    def files(self) -> Statuses:
        """Of whatever kind."""
        return {path: status for path, status in self.statuses.items() if stat.S_ISREG(status.st_mode)}

    def chunk_files(self) -> Statuses:
        return {
            path: status
            for path, status in self.statuses.items()
            if path.endswith(".kv") and stat.S_ISREG(status.st_mode)
        }

    def has_strangers(self) -> bool:
        """Whether there is anything that the store did not put there."""
        return any(
            not path.endswith((".kv", ".tmp")) and not stat.S_ISDIR(status.st_mode)
            for path, status in self.statuses.items()
        )

    def changed_at(self) -> float:
        """When anything in it last changed, in seconds since 1970."""
        return max(status.st_mtime for status in self.statuses.values())


def path_of(root: str, key: StateKey) -> str:
    """`StateStore.path_of` in a tenth of its time."""
    return f"{root}{os.sep}{key.fingerprint}{os.sep}{key.digest[:2]}{os.sep}{key.digest}.kv"


def key_of(path: Path) -> StateKey:
    """The inverse; ValueError for a name that no state can have."""
    return StateKey(path.parent.parent.name, path.stem)


def fingerprint_folders(root: Path) -> list[FingerprintFolder]:
    """The folders of all fingerprints, by path. What vanishes during the walk is left out; other OSErrors rise."""
    paths: list[Path] = []
    with suppress(FileNotFoundError), os.scandir(root) as entries:
        paths += sorted(Path(entry.path) for entry in entries if _is_fingerprint(entry.name) and entry.is_dir())
    folders: list[FingerprintFolder] = []
    for path in paths:
        with suppress(FileNotFoundError):
            folders.append(fingerprint_folder(path))
    return folders


def fingerprint_folder(path: Path) -> FingerprintFolder:
    """One of them; FileNotFoundError when there is none."""
    return FingerprintFolder(path, {os.fspath(path): path.stat(), **dict(_below(os.fspath(path)))})


def statuses(paths: Iterable[Path]) -> Statuses:
    """Those of the paths that are there."""
    found: dict[str, os.stat_result] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            found[os.fspath(path)] = path.stat()
    return found


def _is_fingerprint(name: str) -> bool:
    return len(name) == 2 * NUM_FINGERPRINT_BYTES and set(name) <= _HEX_DIGITS


def _below(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield entry.path, entry.stat()
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path)
