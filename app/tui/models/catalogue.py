"""All models there are with what they need, read from the disk. Any thread but the UI's: it may take 0.3 s."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.gate.verdicts import verdict_of_file
from app.locations import Locations
from app.models.listed import ListedModel
from app.models.places import Layout, Place
from app.settings import Settings
from app.tui.models.entry import ModelEntry, in_order
from storage.index import Index

if TYPE_CHECKING:
    from app.models.fit import Memory


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What was found."""

    entries: tuple[ModelEntry, ...]
    """In the order of the list."""
    memory: "Memory"
    looked_in: tuple[tuple[str, Path], ...]
    """Programs and their folders; not all need be there."""


def read_catalogue(locations: Locations, settings: Settings, loaded: Path | None) -> Catalogue:
    """`loaded` is the file of the model that answers: it is listed wherever it lies."""
    from app.models.discovery import list_models
    from app.models.fit import memory_now

    memory = memory_now()
    entries = [_entry(model, settings, memory) for model in list_models(locations)]
    return Catalogue(tuple(in_order(_marked(entries, loaded, settings, memory))), memory, tuple(_places(locations)))


def with_verdicts(catalogue: Catalogue, index: Index, settings: Settings) -> Catalogue:
    """The same, with what the index knows of how good the models' blended answers are."""
    entries = (
        replace(entry, verdict=verdict_of_file(index, entry.model.path, settings)) if entry.model.path else entry
        for entry in catalogue.entries
    )
    return replace(catalogue, entries=tuple(entries))


def _entry(model: ListedModel, settings: Settings, memory: "Memory") -> ModelEntry:
    from app.models.fit import facts_of, fit_of

    facts = facts_of(model, settings.kv_type)
    return ModelEntry(model, facts, fit_of(model.num_bytes, facts, settings, memory))


def _marked(
    entries: Iterable[ModelEntry], loaded: Path | None, settings: Settings, memory: "Memory"
) -> Iterator[ModelEntry]:
    """The entries, and the one that is loaded marked as such."""
    from app.models.discovery import model_at

    is_listed = False
    for entry in entries:
        is_it = loaded is not None and _is_same(entry.model.path, loaded)
        is_listed |= is_it
        yield replace(entry, loaded_as=loaded) if is_it else entry
    if loaded is not None and not is_listed:
        yield replace(_entry(model_at(loaded), settings, memory), loaded_as=loaded)


def _is_same(path: Path | None, other: Path) -> bool:
    if path is None:
        return False
    try:
        return path == other or path.samefile(other)
    except OSError:  # one of them is gone
        return False


def _places(locations: Locations) -> Iterator[tuple[str, Path]]:
    yield "steep", locations.models_dir
    places = ((str(place.source), folder) for place in locations.model_places for folder in _folders(place))
    yield from dict.fromkeys(places)


def _folders(place: Place) -> list[Path]:
    from app.models.lm_studio import model_folders

    return model_folders(place.folder) if place.layout is Layout.LM_STUDIO else [place.folder]
