"""How Hugging Face's programs lay out what they download, and llama.cpp since 2026 as well.

models--OWNER--NAME/refs/main              the newest commit that was seen
models--OWNER--NAME/snapshots/COMMIT/FILE  links into blobs, or the files themselves where there are no links
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX, _SEPARATOR = "models--", "--"
_COMMIT_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a repository at one commit."""

    repository: str
    """`OWNER/NAME`."""
    folder: Path


def repository_folder(cache: Path, repository: str) -> Path:
    """Where a repository is kept."""
    return cache / (PREFIX + repository.replace("/", _SEPARATOR))


def snapshots(cache: Path) -> Iterator[Snapshot]:
    """All snapshots by repository, of each the newest commit first."""
    for repository in _folders_of(cache):
        if repository.name.startswith(PREFIX):
            name = repository.name.removeprefix(PREFIX).replace(_SEPARATOR, "/")
            yield from (Snapshot(name, folder) for folder in _newest_first(repository))


def _newest_first(repository: Path) -> list[Path]:
    newest = _commit_of(repository / "refs" / "main")
    commits = _folders_of(repository / "snapshots")
    return sorted(commits, key=lambda folder: folder.name != newest)


def _commit_of(reference: Path) -> str:
    try:
        with reference.open("rb") as file:
            return file.read(_COMMIT_CHARACTERS).decode(errors="replace")
    except OSError:
        return ""


def _folders_of(folder: Path) -> list[Path]:
    """The folders in a folder, by name; none where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []
