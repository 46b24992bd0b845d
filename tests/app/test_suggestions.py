"""Questions made of titles and headings, and from an index."""

from pathlib import Path

import pytest

from app.locations import Locations
from app.settings import Settings
from app.suggestions import Outline, questions_of, suggested_questions
from app.wiring import Parts
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, ChunkText, DocumentVersion


def test_a_title_and_a_heading_make_a_question():
    outline = Outline("The lighthouse", ("Guide > The lamp",))
    assert questions_of([outline], 3) == ["What does “The lighthouse” say about “The lamp”?"]


@pytest.mark.parametrize("heading", ["Introduction", "the lighthouse", "1.2", "abc", "x" * 49, "a “quoted” one"])
def test_a_heading_that_tells_nothing_is_passed_over(heading: str):
    assert questions_of([Outline("The lighthouse", (heading, "The lamp"))], 3)[0].endswith("“The lamp”?")
    assert questions_of([Outline("The lighthouse", (heading,))], 3) == ["What is “The lighthouse” about?"]


def test_a_title_that_does_not_fit_is_left_out():
    assert questions_of([Outline("x" * 60, ("The lamp",))], 3) == ["What is said about “The lamp”?"]
    assert questions_of([Outline("x" * 60)], 3) == []


def test_precise_questions_come_first_and_there_are_no_more_than_wanted():
    boats = Outline("Boats", ("Sails",))
    outlines = [Outline("Tides"), boats, boats, Outline("灯塔", ("Leaves",))]
    assert questions_of(outlines, 2) == [
        "What does “Boats” say about “Sails”?",
        "What does “灯塔” say about “Leaves”?",
    ]
    assert len(questions_of(outlines, 9)) == 3


@pytest.fixture
def parts(locations: Locations, index: Index, store: StateStore, tmp_path: Path) -> Parts:
    index.add_folder(tmp_path.resolve())
    return Parts(locations, Settings(), index, store)


def put(parts: Parts, name: str, heading: str | None) -> None:
    (folder,) = parts.index.folders()
    chunk = ChunkText(0, 4, None, heading, f"text of {name}", 4)
    parts.index.put_document(folder.id, DocumentVersion(folder.path / name, 1, 1, name, name), [chunk])


def steep(parts: Parts, name: str) -> None:
    (folder,) = parts.index.folders()
    (chunk,) = parts.index.chunks(folder.path / name)
    key = state_key(fingerprint({"model": "m"}), 3, (chunk.id,))
    parts.store.put(ChunkState(key, (chunk.id,), b"rows", 3), "chunk", [chunk.id])


def test_an_empty_index_suggests_nothing(parts: Parts):
    assert suggested_questions(parts) == []


def test_documents_that_are_steeped_come_first(parts: Parts):
    for name in ("boats", "lights", "tides"):
        put(parts, name, f"All of {name}")
    steep(parts, "lights")
    assert suggested_questions(parts, 1) == ["What does “lights” say about “All of lights”?"]
    assert len(suggested_questions(parts)) == 3


def test_many_documents_are_not_all_looked_at(parts: Parts):
    for number in range(200):
        put(parts, f"document {number:03}", "All of it")
    assert len(suggested_questions(parts, 500)) == 24
