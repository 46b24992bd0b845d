"""`filler_tokens`: each chunk is steeped twice, used where it fits, and gone as a whole."""

import pytest

from tests.app.program import Program

FILLED = {"STEEP_FILLER_TOKENS": "64"}
QUESTION = "Who is the captain of the ferry?"


@pytest.fixture
def filled(program: Program) -> Program:
    (program.folder / "ferry.md").write_text("The captain of the ferry is Odile Marsh.\n" * 3)
    (program.folder / "cats.txt").write_text("The cat of the ferry sleeps on the chart table.\n" * 3)
    program.run("add", str(program.folder))
    program.run("index", **FILLED)
    return program


def test_each_chunk_has_two_states_and_a_question_loads_one_of_each(filled: Program) -> None:
    num_chunks = filled.json("status", **FILLED)["chunks"]
    assert len(filled.chunk_files()) == 2 * num_chunks + 2, "and what they are encoded behind"
    answer = filled.ask(QUESTION, **FILLED)
    assert answer["kv"]["computed_tokens"] == 0
    assert answer["kv"]["recomputed_tokens"] > 0
    sizes = sorted(path.stat().st_size for path in filled.chunk_files())
    assert answer["kv"]["loaded_bytes"] < sum(sizes[:-1]), "not both of a chunk"
    assert "Everything is in order" in filled.run("doctor", **FILLED).stdout


def test_states_of_one_number_of_tokens_are_none_of_another(filled: Program) -> None:
    assert filled.ask(QUESTION, "--no-steep")["kv"]["loaded_tokens"] == 0
    assert filled.ask(QUESTION, **FILLED)["kv"]["computed_tokens"] == 0


def test_nothing_of_a_removed_folder_stays(filled: Program) -> None:
    filled.run("remove", str(filled.folder))
    assert len(filled.chunk_files()) == 2, "what chunks are encoded behind is nobody's document"


def test_a_number_that_is_too_large_is_refused(program: Program) -> None:
    complaint = program.complaint("status", code=2, STEEP_FILLER_TOKENS="5000")
    assert "filler_tokens" in complaint
    assert "1024" in complaint.replace(",", "")
