from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from app.errors import NoModel
from app.locations import Locations
from app.models.choice import choose_embedding_model, choose_model, default_model
from app.models.discovery import list_models
from app.models.places import Layout, Place, Source
from app.models.starter import STARTERS
from tests.app.models.gguf_files import put_model

pytestmark = pytest.mark.usefixtures("no_starters")


def put(locations: Locations, name: str) -> Path:
    return put_model(locations.models_dir / name)


@pytest.fixture
def shared(locations: Locations, tmp_path: Path) -> Locations:
    """With the place of another program."""
    return replace(locations, model_places=(Place(Source.LLAMA_CPP, tmp_path / "llama.cpp", Layout.FOLDER),))


def test_a_file_that_is_named_is_taken(locations: Locations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    put_model(tmp_path / "mine.gguf")
    assert choose_model("mine.gguf", locations) == tmp_path / "mine.gguf"


@pytest.mark.parametrize("wanted", ["b", "b.gguf"])
def test_a_model_of_the_models_folder_is_found_by_name(locations: Locations, wanted: str):
    put(locations, "a.gguf")
    path = put(locations, "b.gguf")
    assert choose_model(wanted, locations) == path


def test_the_only_model_needs_no_name(locations: Locations):
    path = put(locations, "a.gguf")
    assert choose_model("", locations) == path


def test_of_several_models_one_has_to_be_named(locations: Locations):
    put(locations, "a.gguf")
    put(locations, "b.gguf")
    assert default_model(list_models(locations)) is None
    with pytest.raises(NoModel, match=r"several models: a, b\.\nName one: --model NAME"):
        choose_model("", locations)


def test_a_message_names_no_more_models_than_can_be_read(locations: Locations):
    for number in range(11):
        put(locations, f"m{number:02}.gguf")
    with pytest.raises(NoModel, match=r"several models: m00, .*, m07, and 3 more \(steep models\)\.\n"):
        choose_model("", locations)


def test_a_starter_model_comes_before_others(locations: Locations):
    put(locations, "a.gguf")
    put(locations, STARTERS[1].file_name)
    starter = default_model(list_models(locations))
    assert starter
    assert starter.file_name == STARTERS[1].file_name
    put(locations, STARTERS[0].file_name)
    small = default_model(list_models(locations))
    assert small
    assert small.file_name == STARTERS[0].file_name


def test_without_a_model_the_message_says_how_to_get_one(locations: Locations):
    with pytest.raises(NoModel, match=r"pip install 'steep\[starter\]'(?s:.)*steep models download(?s:.)*--model FILE"):
        choose_model("", locations)


def test_an_unknown_name_is_answered_with_those_there_are(locations: Locations):
    put(locations, "a.gguf")
    with pytest.raises(NoModel, match=r"there is no model 'large': .* the models here are: a\."):
        choose_model("large", locations)


def test_a_model_of_another_program_is_taken_when_it_is_named_only(shared: Locations, tmp_path: Path):
    path = put_model(tmp_path / "llama.cpp" / STARTERS[0].file_name)
    name = path.stem
    assert default_model(list_models(shared)) is None
    with pytest.raises(NoModel, match=rf"no model yet(?s:.)*Found: {name}; choose one with --model NAME\."):
        choose_model("", shared)
    assert choose_model(name, shared) == path
    own = put(shared, "mine.gguf")
    assert choose_model("", shared) == own


def test_our_own_folder_comes_first_where_two_have_a_name(shared: Locations, tmp_path: Path):
    foreign = put_model(tmp_path / "llama.cpp" / "m.gguf")
    assert choose_model("m", shared) == foreign
    own = put(shared, "m.gguf")
    assert choose_model("m", shared) == own
    assert choose_model(str(foreign), shared) == foreign


def test_an_embedding_model_of_another_program_is_taken_when_it_is_named_only(shared: Locations, tmp_path: Path):
    path = put_model(tmp_path / "llama.cpp" / "embed.gguf", pooling=gguf.PoolingType.MEAN)
    assert choose_embedding_model("", shared).reason == "no embedding model"
    assert choose_embedding_model("embed", shared).path == path


def test_a_damaged_model_is_never_chosen_silently_and_told_when_it_is_named(locations: Locations):
    path = locations.models_dir / "damaged.gguf"
    good = put(locations, "good.gguf")
    path.write_bytes(b"GGUF\x03")
    assert choose_model("", locations) == good
    with pytest.raises(NoModel, match=r"damaged\.gguf is cut off"):
        choose_model("damaged", locations)
    good.unlink()
    with pytest.raises(NoModel, match=r"damaged\.gguf is cut off(?s:.)*there is no model yet"):
        choose_model("", locations)


def test_a_model_in_parts_is_loaded_through_its_first_whichever_is_named(locations: Locations):
    first = put(locations, "big-00001-of-00002.gguf")
    second = put(locations, "big-00002-of-00002.gguf")
    assert choose_model("big", locations) == choose_model(str(second), locations) == first
    first.unlink()
    with pytest.raises(NoModel, match="big is incomplete: 1 of its 2 parts are missing"):
        choose_model("big", locations)
    with pytest.raises(NoModel, match="big is incomplete: 1 of its 2 parts are missing"):
        choose_model(str(second), locations)
