"""`steep ask --in`, in processes of its own."""

from pathlib import Path

from tests.app.program import Program

QUESTION = "Who is the captain of the ferry and what is her cat called?"


def sources(answer: dict) -> set[str]:
    return {Path(source["path"]).name for source in answer["sources"]}


def test_an_answer_comes_only_from_the_documents_that_are_named(steeped: Program):
    assert sources(steeped.ask(QUESTION, "--in", "harbour", "--in", "*.txt")) == {"piers.md", "cats.txt"}


def test_a_path_that_names_nothing_is_said_before_the_model_is_loaded(steeped: Program):
    message = steeped.complaint("ask", QUESTION, "--in", "*.pdf", "--model", "none-such", code=2)
    assert message.startswith("--in *.pdf: none of the 3 documents is there")
