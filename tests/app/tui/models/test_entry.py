"""How models of the list stand to the one that answers, and their order."""

from pathlib import Path

import pytest

from app.assistant.events import ModelFailed, ModelLoading
from app.models.listed import ListedModel
from app.models.places import Source
from app.tui.models.entry import ModelEntry, State, in_order
from tests.app.tui.models.model_entries import embedding_entry, entry
from tests.app.tui.models.models_pilot import TIGHT, TOO_LARGE, ready


def test_what_is_loaded_comes_first_then_what_fits_best_and_what_cannot_answer_last():
    entries = [
        embedding_entry("vectors"),
        entry("broken", facts=None, problem="it is damaged"),
        entry("huge", num_bytes=TOO_LARGE),
        entry("big", num_bytes=TIGHT),
        entry("b"),
        entry("a"),
        entry("loaded", num_bytes=TOO_LARGE, loaded_as=Path("/l")),
    ]
    assert [each.model.name for each in in_order(entries)] == ["loaded", "b", "a", "big", "huge", "broken", "vectors"]


def test_a_model_answers_when_it_was_loaded_by_its_path_or_by_another_link_to_it():
    assert entry().state(ready(Path("/models/qwen.gguf"))) is State.ANSWERS
    assert entry(loaded_as=Path("/link.gguf")).state(ready(Path("/link.gguf"))) is State.ANSWERS
    assert entry().state(ready(Path("/models/other.gguf"), name="qwen")) is State.NONE


def test_what_was_loaded_no_longer_answers_once_another_model_does():
    before = entry("old", loaded_as=Path("/models/old.gguf"))
    assert before.state(ready(Path("/models/new.gguf"))) is State.NONE


@pytest.mark.parametrize("name", ["llama3.2:3b", "sha256-abc"])
def test_a_model_that_is_loaded_is_known_by_its_name_or_its_file(name: str):
    ollama = ModelEntry(ListedModel("llama3.2:3b", Path("/blobs/sha256-abc"), 1), None, entry().fit)
    assert ollama.state(ModelLoading(name)) is State.LOADING
    assert ollama.state(ModelFailed(name, "it is damaged")) is State.FAILED
    assert entry().state(ModelLoading(name)) is State.NONE
    assert entry().state(ModelFailed(name, "it is damaged")) is State.NONE


def test_nothing_is_loaded_while_no_model_is_named():
    waiting = ModelEntry(ListedModel("starter-0.5b-q4_k_m", None, 1), None, entry().fit)
    assert waiting.state(ModelLoading("")) is State.NONE


def test_the_label_comes_from_the_name_where_there_is_no_file_yet():
    assert ModelEntry(ListedModel("qwen2.5-0.5b-q4_k_m", None, 1), None, entry().fit).label == "0.5B Q4_K_M"
    assert entry().label == "0.5B Q4_K_M"


def test_words_are_looked_for_in_names_label_and_source():
    model = entry("qwen", aliases=("unsloth/Qwen-GGUF",), source=Source.LM_STUDIO)
    assert model.has_words("QWEN q4_k")
    assert model.has_words("unsloth studio")
    assert model.has_words("")
    assert not model.has_words("qwen q8")
