"""Which model makes vectors for search, and that it never answers."""

from pathlib import Path

import gguf
import pytest

from app.errors import NoModel
from app.locations import Locations
from app.models.choice import choose_embedding_model, choose_model, default_model
from app.models.discovery import list_models
from app.models.identity import known_identity, model_identity
from storage.index import Index
from tests.tiny_model import write_tiny_model


@pytest.fixture(autouse=True)
def no_starters(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no part package were installed."""
    monkeypatch.setattr("app.models.starter.find_spec", lambda name: None)


def put_model(locations: Locations, name: str, pooling: gguf.PoolingType | None = None) -> Path:
    locations.models_dir.mkdir(parents=True, exist_ok=True)
    return write_tiny_model(locations.models_dir / f"{name}.gguf", num_layers=1, pooling=pooling)


def put_embedding_model(locations: Locations, name: str = "embed") -> Path:
    return put_model(locations, name, gguf.PoolingType.MEAN)


def test_the_only_embedding_model_needs_no_name(locations: Locations):
    assert choose_embedding_model("", locations).reason == "no embedding model"
    put_model(locations, "chat")
    assert choose_embedding_model("", locations).path is None
    path = put_embedding_model(locations)
    assert choose_embedding_model("", locations).path == path


def test_of_several_one_has_to_be_named(locations: Locations):
    put_embedding_model(locations, "a")
    path = put_embedding_model(locations, "b")
    choice = choose_embedding_model("", locations)
    assert (choice.path, "name one as embedding_model: a, b" in choice.reason) == (None, True)
    assert choose_embedding_model("b", locations).path == choose_embedding_model("b.gguf", locations).path == path


def test_a_file_anywhere_can_be_named(locations: Locations, tmp_path: Path):
    path = write_tiny_model(tmp_path / "mine.gguf", pooling=gguf.PoolingType.LAST)
    assert choose_embedding_model(str(path), locations).path == path


def test_none_switches_it_off(locations: Locations):
    put_embedding_model(locations)
    choice = choose_embedding_model("none", locations)
    assert (choice.path, choice.reason) == (None, "embedding_model is 'none'")


def test_a_name_without_a_model_or_of_a_chat_model_is_an_error_with_the_choices(locations: Locations):
    put_embedding_model(locations)
    put_model(locations, "chat")
    with pytest.raises(NoModel, match=r"embedding_model = 'gone' is no file and no model here; .* here are: embed"):
        choose_embedding_model("gone", locations)
    with pytest.raises(NoModel, match="embedding_model = 'chat' is no embedding model"):
        choose_embedding_model("chat", locations)


def test_an_embedding_model_is_never_chosen_to_answer(locations: Locations):
    path = put_embedding_model(locations)
    assert default_model(list_models(locations)) is None
    with pytest.raises(NoModel, match="there is no model yet"):
        choose_model("", locations)
    for name in ("embed", str(path)):
        with pytest.raises(NoModel, match="embed cannot answer: it is an embedding model"):
            choose_model(name, locations)
    chat = put_model(locations, "chat")
    assert choose_model("", locations) == chat
    put_model(locations, "other")
    with pytest.raises(NoModel, match=r"there are several models: chat, other\."):
        choose_model("", locations)


def test_files_that_are_no_models_are_listed_for_whoever_loads_them(locations: Locations):
    put_embedding_model(locations)
    (locations.models_dir / "damaged.gguf").write_bytes(b"GGUF")
    assert [(model.name, model.is_embedding) for model in list_models(locations)] == [
        ("damaged", False),
        ("embed", True),
    ]


def test_an_identity_is_known_once_it_was_made(locations: Locations, index: Index):
    path = put_embedding_model(locations)
    assert known_identity(path, index) is None
    assert model_identity(path, index) == known_identity(path, index)
