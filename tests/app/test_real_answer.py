"""The whole program with a real model: the smallest that answers questions."""

from pathlib import Path

import pytest

from tests.app.conftest import write_documents
from tests.app.program import Program


@pytest.mark.model
def test_the_small_starter_model_answers_from_the_right_document(tmp_path: Path, starter_model: Path):
    program = Program(tmp_path / "home", starter_model, write_documents(tmp_path / "documents"))
    program.run("add", ".")
    assert program.json("index", STEEP_THREADS="0")["steeped_chunks"] == 3
    answer = program.ask("Where does the cat Biscuit sleep?", STEEP_THREADS="0")
    assert "chart table" in answer["answer"]
    assert Path(answer["sources"][0]["path"]).name == "cats.txt"
    assert answer["mode"] == "blend"
    assert answer["kv"]["computed_tokens"] == 0
