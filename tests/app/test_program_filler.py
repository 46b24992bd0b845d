"""Each chunk is steeped for any place of a prompt and for the first one, used where it fits, and gone as a whole."""

import pytest

from tests.app.program import Program

QUESTION = "Who is the captain of the ferry?"
NUM_LEADS = 2
"""What chunks are encoded behind: the preamble, and the preamble with the filler."""


@pytest.fixture
def steeped(program: Program) -> Program:
    (program.folder / "ferry.md").write_text("The captain of the ferry is Odile Marsh.\n" * 3)
    (program.folder / "cats.txt").write_text("The cat of the ferry sleeps on the chart table.\n" * 3)
    program.run("add", str(program.folder))
    program.run("index")
    return program


def test_each_chunk_has_two_states_and_a_question_loads_one_of_each(steeped: Program) -> None:
    num_chunks = steeped.json("status")["chunks"]
    assert len(steeped.chunk_files()) == 2 * num_chunks + NUM_LEADS
    assert len({path.parent.parent for path in steeped.chunk_files()}) == 2, "each kind has its own fingerprint"
    answer = steeped.ask(QUESTION)
    assert answer["kv"]["computed_tokens"] == 0
    assert answer["kv"]["recomputed_tokens"] > 0
    sizes = sorted(path.stat().st_size for path in steeped.chunk_files())
    assert answer["kv"]["loaded_bytes"] < sum(sizes[:-1]), "not both of a chunk"
    assert "Everything is in order" in steeped.run("doctor").stdout


def test_without_a_filler_what_is_for_the_first_place_serves_for_all(steeped: Program) -> None:
    assert steeped.ask(QUESTION, "--no-steep", STEEP_FILLER_TOKENS="0")["kv"]["computed_tokens"] == 0
    steeped.run("index", STEEP_FILLER_TOKENS="0")
    assert len(steeped.chunk_files()) == 2 * steeped.json("status")["chunks"] + NUM_LEADS, "nothing was steeped"


def test_behind_another_filler_only_what_is_for_the_first_place_is_there(steeped: Program) -> None:
    answer = steeped.ask(QUESTION, "--no-steep", STEEP_FILLER_TOKENS="64")
    assert answer["kv"]["loaded_tokens"] > 0
    assert answer["kv"]["computed_tokens"] > 0


def test_nothing_of_a_removed_folder_stays(steeped: Program) -> None:
    steeped.run("remove", str(steeped.folder))
    assert len(steeped.chunk_files()) == NUM_LEADS, "they are nobody's document"


def test_a_number_that_is_too_large_is_refused(program: Program) -> None:
    complaint = program.complaint("status", code=2, STEEP_FILLER_TOKENS="5000")
    assert "filler_tokens" in complaint
    assert "1024" in complaint.replace(",", "")
