"""Which models there are: our own folder's, the starters that are installed, and those of other programs.

Headers are read without the vocabulary, about 1 ms a model. A file that is found twice, through a link or as the same
inode, is listed once, where it was found first: our own folder comes first. Files that are no models of their own
(projectors for images, adapters, vocabularies) are left out; files that should be models and cannot be used are listed
with what is wrong. Nothing here raises, whatever lies in those folders.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.locations import Locations
from app.models.found import Found, at_path, look_into
from app.models.listed import ListedModel
from app.models.places import Layout, Place, Source
from app.models.starter import STARTERS
from engine.errors import ModelUnusable
from engine.gguf_header import GgufHeader, read_header

_PROJECTOR = "clip"
"""The architecture of what turns images into tokens."""


def list_models(locations: Locations) -> list[ListedModel]:
    """All models: ours first, then the other programs', each by name."""
    own = list_own_models(locations)
    return own + _list(locations.model_places, own)


def list_own_models(locations: Locations) -> list[ListedModel]:
    """The models of our folder, then the installed starters that are not among them."""
    files = _list([Place(Source.OWN, locations.models_dir, Layout.FOLDER)], [])
    names = {model.path.name for model in files if model.path}
    waiting = [starter for starter in STARTERS if starter.file_name not in names and starter.part_paths()]
    return files + [ListedModel(Path(each.file_name).stem, None, each.num_bytes, starter=each) for each in waiting]


def model_at(path: Path) -> ListedModel:
    """The model that a file is, whatever is in it: for a file that somebody named."""
    found = at_path(path.absolute())
    header, problem = _read(found)
    return _listed(found, Source.OWN, path.stem, header, problem)


def _list(places: Iterable[Place], before: Iterable[ListedModel]) -> list[ListedModel]:
    """The models of places that are not among those before."""
    names = {model.name for model in before}
    files = {_identity(model.path) for model in before if model.path}
    listed: list[ListedModel] = []
    for source, found in _all_found(places):
        file = _identity(found.paths[0])
        if file in files:
            continue
        files.add(file)
        header, problem = _read(found)
        if header is None or _is_model(header):
            name = next((each for each in found.names if each not in names), found.names[-1])
            names.add(name)
            listed.append(_listed(found, source, name, header, problem))
    return listed


def _all_found(places: Iterable[Place]) -> Iterator[tuple[Source, Found]]:
    for place in places:
        yield from ((place.source, found) for found in look_into(place))


def _listed(found: Found, source: Source, name: str, header: GgufHeader | None, problem: str) -> ListedModel:
    aliases = tuple(each for each in found.names if each != name)
    num_bytes = sum(map(_size, found.paths))
    return ListedModel(name, found.paths[0], num_bytes, source, None, problem, aliases, header)


def _read(found: Found) -> tuple[GgufHeader | None, str]:
    """The header, and why the model cannot be used."""
    if found.problem:
        return None, found.problem
    try:
        return read_header(found.paths[0], vocabulary=False), ""
    except ModelUnusable as error:
        return None, str(error)


def _is_model(header: GgufHeader) -> bool:
    """Whether it can be loaded by itself: it has weights, and they are a language model's."""
    has_weights = header.num_tensors > 0 or "split.count" in header.metadata
    kind = header.metadata.get("general.type", "model")
    return has_weights and kind == "model" and header.architecture != _PROJECTOR


def _identity(path: Path) -> tuple[int, int] | Path:
    """The same for all names of one file."""
    try:
        stat = path.stat()
    except OSError:
        return path
    return (stat.st_dev, stat.st_ino) if stat.st_ino else Path(os.path.realpath(path))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
