import hashlib
from pathlib import Path

import pytest

from app.errors import NoModel
from app.locations import Locations
from app.model_choice import choose_model, default_model, list_models, model_identity
from app.starter_model import STARTERS
from storage.index import Index


@pytest.fixture(autouse=True)
def no_starters(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no part package were installed."""
    monkeypatch.setattr("app.starter_model.find_spec", lambda name: None)


def put_model(locations: Locations, name: str) -> Path:
    locations.models_dir.mkdir(parents=True, exist_ok=True)
    path = locations.models_dir / name
    path.write_bytes(b"GGUF")
    return path


def test_a_file_that_is_named_is_taken(locations: Locations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    assert choose_model("mine.gguf", locations) == tmp_path / "mine.gguf"


@pytest.mark.parametrize("wanted", ["b", "b.gguf"])
def test_a_model_of_the_models_folder_is_found_by_name(locations: Locations, wanted: str):
    put_model(locations, "a.gguf")
    path = put_model(locations, "b.gguf")
    assert choose_model(wanted, locations) == path


def test_the_only_model_needs_no_name(locations: Locations):
    path = put_model(locations, "a.gguf")
    assert choose_model("", locations) == path


def test_of_several_models_one_has_to_be_named(locations: Locations):
    put_model(locations, "a.gguf")
    put_model(locations, "b.gguf")
    assert default_model(list_models(locations)) is None
    with pytest.raises(NoModel, match=r"several models: a, b\.\nName one: --model NAME"):
        choose_model("", locations)


def test_a_starter_model_comes_before_others(locations: Locations):
    put_model(locations, "a.gguf")
    put_model(locations, STARTERS[1].file_name)
    starter = default_model(list_models(locations))
    assert starter
    assert starter.file_name == STARTERS[1].file_name
    put_model(locations, STARTERS[0].file_name)
    small = default_model(list_models(locations))
    assert small
    assert small.file_name == STARTERS[0].file_name


def test_without_a_model_the_message_says_how_to_get_one(locations: Locations):
    with pytest.raises(NoModel, match=r"pip install 'steep\[starter\]'(?s:.)*--model FILE"):
        choose_model("", locations)


def test_an_unknown_name_is_answered_with_those_there_are(locations: Locations):
    put_model(locations, "a.gguf")
    with pytest.raises(NoModel, match=r"there is no model 'large': .* the models here are: a"):
        choose_model("large", locations)


def test_the_identity_of_a_model_is_its_digest_and_follows_its_bytes(index: Index, tmp_path: Path):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF 1")
    assert model_identity(path, index) == hashlib.sha256(b"GGUF 1").hexdigest()
    path.write_bytes(b"GGUF 02")
    assert model_identity(path, index) == hashlib.sha256(b"GGUF 02").hexdigest()


def test_the_identity_is_remembered(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF")
    known = model_identity(path, index)
    monkeypatch.setattr("hashlib.sha256", lambda: pytest.fail("hashing takes seconds"))
    assert model_identity(path, index) == known
