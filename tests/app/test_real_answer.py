"""The whole program with a real model: the smallest that answers questions."""

from pathlib import Path

import pytest

from tests.app.program import Program

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"


@pytest.mark.model
def test_the_small_starter_model_answers_from_the_right_document(tmp_path: Path, starter_model: Path):
    folder = tmp_path / "island"
    folder.mkdir()
    for name, num_characters in (("lighthouse.md", 750), ("saltleaf_tea.md", 300)):
        (folder / name).write_text((DEMO / name).read_text("utf-8")[:num_characters], "utf-8")
    program = Program(tmp_path / "home", starter_model, folder)
    program.run("add", ".")
    assert program.json("index")["problems"] == []
    answer = program.ask("Who is the lighthouse keeper?")
    assert "Ines Calloway" in answer["answer"]
    assert Path(answer["sources"][0]["path"]).name == "lighthouse.md"
    assert answer["mode"] == "blend"
    assert answer["kv"]["computed_tokens"] == 0
