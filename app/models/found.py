"""GGUF files as they lie in a place, before anybody looks into them: which files are one model, and what to call it.

A folder or file that cannot be looked at holds no models. The same file may be found more than once.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.models import hub_layout, lm_studio
from app.models.file_set import file_sets, is_gguf
from app.models.ollama import ollama_models
from app.models.places import Layout, Place

_MAX_DEPTH = 4
"""Folders below a place that are looked into: LM Studio has OWNER/NAME/files, and some repositories folders inside."""

_NOT_LOOKED_INTO = (".", hub_layout.PREFIX)
"""Hidden files are those of a copy that is under way, or of a desktop; a repository's are looked for as such."""

_FIRST_WORD = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True, slots=True)
class Found:
    """The files of one model."""

    names: tuple[str, ...]
    """What it can be called, from short to long; the last is its path."""
    paths: tuple[Path, ...]
    """Its files in order; the first is the one to load."""
    problem: str = ""
    """Why it cannot be loaded, as a sentence."""


def look_into(place: Place) -> Iterator[Found]:
    """The models of a place, by name."""
    if place.layout is Layout.FOLDER:
        yield from _in_folder(place.folder)
    elif place.layout is Layout.HUB:
        yield from _in_hub_cache(place.folder)
    elif place.layout is Layout.LM_STUDIO:
        for folder in lm_studio.model_folders(place.folder):
            yield from _of_publishers(folder)
    else:
        for model in ollama_models(place.folder):
            yield Found((model.name, os.fspath(model.path)), (model.path,))


def at_path(path: Path) -> Found:
    """The model that a file is, or is a part of."""
    if any(files.is_split for files in file_sets([path.name])):
        siblings = _in_folder(path.parent, 0)
        return next(each for each in siblings if path in each.paths)
    return Found((path.stem, os.fspath(path)), (path,))


def _in_folder(folder: Path, depth: int = _MAX_DEPTH) -> Iterator[Found]:
    for files in file_sets(_gguf_files(folder, depth)):
        paths = tuple(folder / name for name in files.files)
        yield Found(_distinct(_stem(files.name), files.name, os.fspath(paths[0])), paths, files.problem)


def _in_hub_cache(cache: Path) -> Iterator[Found]:
    seen: set[tuple[str, str]] = set()
    for snapshot in hub_layout.snapshots(cache):
        for found in _of_repository(snapshot.folder, snapshot.repository):
            file = (snapshot.repository, os.fspath(found.paths[0].relative_to(snapshot.folder)))
            if file not in seen:  # else an older commit's
                seen.add(file)
                yield found


def _of_publishers(folder: Path) -> Iterator[Found]:
    """Models in OWNER/NAME/files."""
    for found in _in_folder(folder):
        parts = found.paths[0].relative_to(folder).parts
        yield _named_after("/".join(parts[:2]), found) if len(parts) > 2 else found


def _of_repository(folder: Path, repository: str) -> Iterator[Found]:
    for found in _in_folder(folder):
        yield _named_after(repository, found)


def _named_after(repository: str, found: Found) -> Found:
    """With the repository's names; without the short one where that says nothing (`model.gguf`)."""
    stem, path = found.names[0], found.names[-1]
    name = repository.rpartition("/")[2]
    word = _FIRST_WORD.search(name.lower())
    short = (stem,) if word is None or word[0] in stem.lower() else ()
    return Found(_distinct(*short, f"{name}/{stem}", f"{repository}/{stem}", path), found.paths, found.problem)


def _gguf_files(folder: Path, depth: int, prefix: str = "") -> Iterator[str]:
    """Names of GGUF files below a folder, with `/` between their parts."""
    try:
        with os.scandir(folder / prefix) as listing:
            entries = list(listing)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(_NOT_LOOKED_INTO):
            continue
        if is_gguf(entry.name) and _is_file(entry):
            yield prefix + entry.name
        elif depth and _is_folder(entry):
            yield from _gguf_files(folder, depth - 1, f"{prefix}{entry.name}/")


def _is_file(entry: "os.DirEntry[str]") -> bool:
    """Follows links; a broken one is no file."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


def _distinct(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
