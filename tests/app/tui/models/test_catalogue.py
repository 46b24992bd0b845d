"""All models with what they need."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from app.locations import Locations
from app.models.places import Layout, Place, Source, find_places
from app.settings import Settings
from app.tui.models.catalogue import Catalogue, read_catalogue
from tests.app.models.gguf_files import put_model

pytestmark = pytest.mark.usefixtures("no_starters")


def read(locations: Locations, loaded: Path | None = None) -> Catalogue:
    return read_catalogue(locations, Settings(), loaded)


def loaded_in(catalogue: Catalogue) -> list[str]:
    return [entry.model.name for entry in catalogue.entries if entry.loaded_as]


def test_models_come_with_facts_and_with_the_memory_there_is(locations: Locations):
    put_model(locations.models_dir / "a-q4_0.gguf")
    catalogue = read(locations)
    (entry,) = catalogue.entries
    assert (entry.model.name, entry.label, entry.fit.memory) == ("a-q4_0", "Q4_0", catalogue.memory)
    assert entry.facts
    assert entry.facts.blendable


def test_the_loaded_model_comes_first(locations: Locations):
    put_model(locations.models_dir / "a.gguf")
    loaded = put_model(locations.models_dir / "b.gguf")
    assert [entry.model.name for entry in read(locations, loaded).entries] == ["b", "a"]
    assert loaded_in(read(locations, loaded)) == ["b"]


def test_the_loaded_model_is_found_by_any_link_to_it(locations: Locations, tmp_path: Path):
    put_model(locations.models_dir / "a.gguf")
    link = tmp_path / "link.gguf"
    link.symlink_to(locations.models_dir / "a.gguf")
    (entry,) = read(locations, link).entries
    assert (entry.model.name, entry.loaded_as) == ("a", link)


def test_a_model_that_lies_elsewhere_is_listed_while_it_is_loaded(locations: Locations, tmp_path: Path):
    put_model(locations.models_dir / "a.gguf")
    loaded = put_model(tmp_path / "elsewhere/b.gguf")
    assert [entry.model.name for entry in read(locations, loaded).entries] == ["b", "a"]
    assert [entry.model.name for entry in read(locations).entries] == ["a"]


def test_a_loaded_model_whose_file_is_gone_is_listed_with_what_is_wrong(locations: Locations, tmp_path: Path):
    put_model(locations.models_dir / "a.gguf")
    first, _ = read(locations, tmp_path / "gone.gguf").entries
    assert first.loaded_as
    assert "gone.gguf" in first.model.problem


def test_every_place_that_was_looked_into_is_told_once(locations: Locations, tmp_path: Path):
    places = find_places({"OLLAMA_MODELS": os.fspath(tmp_path / "ollama")}, tmp_path, "linux")
    looked_in = read(replace(locations, model_places=places)).looked_in
    assert len(set(looked_in)) == len(looked_in)
    assert looked_in[0] == ("steep", locations.models_dir)
    assert ("LM Studio", tmp_path / ".lmstudio/models") in looked_in
    assert ("Ollama", tmp_path / "ollama") in looked_in


def test_models_of_other_programs_are_listed(locations: Locations, tmp_path: Path):
    put_model(tmp_path / "models/a.gguf")
    place = Place(Source.LLAMA_CPP, tmp_path / "models", Layout.FOLDER)
    (entry,) = read(replace(locations, model_places=(place,))).entries
    assert entry.model.source is Source.LLAMA_CPP
