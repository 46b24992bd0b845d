"""Search by meaning, from the chunks of an index to the passages that a question is near to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from app.errors import NoModel
from app.locations import Locations
from app.search import dense
from app.search.dense import Embedded, open_dense, purge_vectors
from app.settings import Settings
from app.wiring import Parts
from engine.embedder import Embedder
from storage.index import Index
from storage.store import StateStore
from storage.values import TextWithoutVector
from tests.app.program import Program
from tests.tiny_model import write_tiny_model

PutTexts = Callable[..., None]

LONG = "x" * dense._SLICE_CHARACTERS
"""A text that fills a slice."""


@pytest.fixture
def parts(locations: Locations, index: Index, store: StateStore) -> Parts:
    """Parts with an embedding model that makes no sense, in milliseconds."""
    write_tiny_model(_in_models_folder(locations, "tiny-embed.gguf"), pooling=gguf.PoolingType.MEAN)
    return Parts(locations, Settings(threads=1), index, store)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The loading and closing of embedding models, as it happens."""
    seen: list[str] = []

    class Watched(Embedder):
        def __init__(self, path: Path, **options: int) -> None:
            seen.append("load")
            super().__init__(path, **options)

        def close(self) -> None:
            seen.append("close")
            super().close()

    monkeypatch.setattr("engine.embedder.Embedder", Watched)
    return seen


def _in_models_folder(locations: Locations, name: str) -> Path:
    locations.models_dir.mkdir(parents=True, exist_ok=True)
    return locations.models_dir / name


def embed_all(parts: Parts) -> list[Embedded]:
    with open_dense(parts) as index:
        assert index
        return list(index.embed_missing())


def nearest(parts: Parts, question: str, limit: int = 1) -> list[str]:
    with open_dense(parts) as index:
        assert index
        return [hit.chunk.chunk.text for hit in index.search(question, limit)]


@pytest.mark.model
def test_a_passage_is_found_without_any_of_its_words(parts: Parts, put_texts: PutTexts, embedding_model: Path):
    named = replace(parts, settings=replace(parts.settings, embedding_model=str(embedding_model)))
    put_texts("a.txt", "The ferry sails at seven.", "Felines doze on the chart table.", "Pies are sold at noon.")
    embed_all(named)
    assert nearest(named, "Where do the cats sleep?") == ["Felines doze on the chart table."]


def test_what_is_embedded_is_found_and_not_embedded_again(parts: Parts, put_texts: PutTexts, calls: list[str]):
    put_texts("a.txt", "tea", "boats")
    assert embed_all(parts) == [Embedded(2, 2)]
    assert nearest(parts, "boats", 2) == ["boats", "tea"]
    calls.clear()
    assert embed_all(parts) == []
    assert calls == [], "a model is loaded for a text without vector only"
    put_texts("b.txt", "cats", "tea")
    assert embed_all(parts) == [Embedded(1, 1)]
    assert sorted(nearest(parts, "tea", 2)) == ["tea", "tea"]


def test_nothing_is_loaded_where_nothing_could_be_found(parts: Parts, put_texts: PutTexts, calls: list[str]):
    put_texts("a.txt", "tea")
    assert nearest(parts, "tea") == []
    assert calls == []


def test_one_model_serves_all_searches_of_an_index_and_is_closed_with_it(
    parts: Parts, put_texts: PutTexts, calls: list[str]
):
    put_texts("a.txt", "tea")
    with open_dense(parts) as index:
        assert index
        list(index.embed_missing())
        assert [hit.chunk.chunk.text for hit in index.search("tea", 5) + index.search("boats", 5)] == ["tea", "tea"]
        assert calls == ["load"]
    assert calls == ["load", "close"]


def test_embedding_goes_in_slices_and_what_is_done_stays(parts: Parts, put_texts: PutTexts):
    put_texts("a.txt", f"one {LONG}", f"two {LONG}", "three", "four")
    with open_dense(parts) as index:
        assert index
        steps = index.embed_missing()
        first = next(steps)
        steps.close()
    assert 1 <= first.num_done < first.num_total == 4
    assert embed_all(parts)[-1] == Embedded(4 - first.num_done, 4 - first.num_done)


def test_texts_that_join_while_embedding_are_embedded_as_well(parts: Parts, put_texts: PutTexts):
    put_texts("a.txt", "one")
    with open_dense(parts) as index:
        assert index
        steps = index.embed_missing()
        assert next(steps) == Embedded(1, 1)
        put_texts("b.txt", "two")
        assert list(steps) == [Embedded(2, 2)]


def test_a_heading_belongs_to_what_is_embedded():
    text = TextWithoutVector("d" * 32, "Boats > Ferries", "They sail.")
    assert dense._passage(text) == "Boats > Ferries\nThey sail."
    assert dense._passage(replace(text, heading=None)) == "They sail."


def test_only_the_wanted_documents_are_searched(parts: Parts, put_texts: PutTexts, index: Index):
    put_texts("a.txt", "tea")
    put_texts("b.txt", "boats")
    embed_all(parts)
    (b,) = (document.id for document in index.documents() if document.path.name == "b.txt")
    with open_dense(parts) as opened:
        assert opened
        assert [hit.chunk.chunk.text for hit in opened.search("tea", 5, {b})] == ["boats"]


def test_vectors_of_removed_documents_are_purged(parts: Parts, put_texts: PutTexts, index: Index, tmp_path: Path):
    put_texts("a.txt", "secret")
    embed_all(parts)
    index.remove_document(tmp_path / "a.txt")
    (file,) = parts.locations.vectors_dir.iterdir()
    assert any(file.read_bytes())
    assert purge_vectors(parts) == 1
    assert not any(file.read_bytes())
    assert purge_vectors(parts) == 0


def test_another_model_makes_vectors_of_its_own(parts: Parts, put_texts: PutTexts, locations: Locations):
    put_texts("a.txt", "tea")
    embed_all(parts)
    other = write_tiny_model(_in_models_folder(locations, "other.gguf"), num_layers=1, pooling=gguf.PoolingType.MEAN)
    settings = replace(parts.settings, embedding_model=other.stem)
    assert embed_all(replace(parts, settings=settings)) == [Embedded(1, 1)]
    assert len(list(locations.vectors_dir.iterdir())) == 2


def test_without_an_embedding_model_there_is_no_dense_search(parts: Parts):
    (parts.locations.models_dir / "tiny-embed.gguf").unlink()
    with open_dense(parts) as index:
        assert index is None


def test_it_can_be_switched_off(parts: Parts):
    with open_dense(replace(parts, settings=replace(parts.settings, embedding_model="none"))) as index:
        assert index is None


def test_a_model_that_is_named_and_not_there_is_an_error(parts: Parts):
    settings = replace(parts.settings, embedding_model="nomic")
    with pytest.raises(NoModel, match="'nomic' is no file"), open_dense(replace(parts, settings=settings)):
        pass


# --- the program


@pytest.fixture
def searching(steeped: Program, locations: Locations) -> Program:
    """Documents that were read, and an embedding model that has not embedded them yet."""
    models = steeped.home / "data" / "models"
    models.mkdir()
    write_tiny_model(models / "tiny-embed.gguf", pooling=gguf.PoolingType.MEAN)
    return steeped


def embed_documents_of(program: Program) -> None:
    home = Locations(program.home / "config", program.home / "data", program.home / "cache")
    with Index(home.index_file) as index:
        embed_all(Parts(home, Settings(threads=1), index, StateStore(home.states_dir, index)))


def test_status_tells_how_questions_are_searched(searching: Program):
    before = searching.json("status")
    assert (before["retrieval"], before["embedding_model"], before["embedded_chunks"]) == ("hybrid", "tiny-embed", 0)
    assert "0 of 3 chunks have vectors, the others with the next steep index" in searching.run("status").stdout
    embed_documents_of(searching)
    assert searching.json("status")["embedded_chunks"] == 3
    assert "Retrieval  hybrid (BM25 and tiny-embed): 3 of 3 chunks have vectors\n" in searching.run("status").stdout
    off = searching.run("status", STEEP_EMBEDDING_MODEL="none").stdout
    assert "Retrieval  lexical (BM25): embedding_model is 'none'\n" in off
    gone = searching.json("status", STEEP_EMBEDDING_MODEL="gone.gguf")
    assert (gone["retrieval"], gone["embedding_model"], gone["embedded_chunks"]) == ("lexical", None, 0)


def test_status_says_plainly_that_there_is_no_embedding_model(steeped_home: Program):
    assert "Retrieval  lexical (BM25): no embedding model\n" in steeped_home.run("status").stdout


def test_models_tells_the_embedding_model_from_those_that_answer(searching: Program):
    (model,) = (model for model in searching.json("models")["models"] if model["name"] == "tiny-embed")
    assert (model["embedding"], model["blendable"], model["reason"]) == (True, False, "it is an embedding model")
    assert "an embedding model: makes vectors for search" in searching.run("models").stdout


def test_an_embedding_model_is_not_asked_for_answers(searching: Program):
    assert "cannot answer: it is an embedding model" in searching.complaint("ask", "Who?", "-m", "tiny-embed", code=1)


def test_the_program_asks_both_searches(searching: Program):
    question = "zzzz"  # no document has the word
    assert any("No passage matches" in notice for notice in searching.ask(question)["notices"])
    embed_documents_of(searching)
    answer = searching.ask(question)
    assert not any("No passage matches" in notice for notice in answer["notices"])
    assert len(answer["sources"]) == 3


def test_removing_a_folder_erases_its_vectors(searching: Program):
    embed_documents_of(searching)
    (file,) = (searching.home / "data" / "vectors").iterdir()
    assert any(file.read_bytes())
    searching.run("remove", ".")
    assert not any(file.read_bytes())
