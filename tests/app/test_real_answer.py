"""The whole program with a real model: the smallest that answers questions."""

from pathlib import Path

import pytest

from tests.app.program import Program

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"


@pytest.mark.model
def test_the_small_starter_model_answers_from_the_right_document(tmp_path: Path, starter_model: Path):
    folder = tmp_path / "island"
    folder.mkdir()
    for name in ("lighthouse.md", "saltleaf_tea.md"):
        (folder / name).write_text((DEMO / name).read_text("utf-8")[:750], "utf-8")
    program = Program(tmp_path / "home", starter_model, folder)
    program.run("add", ".")
    assert program.json("index")["steeped_chunks"] == 2
    answer = program.ask("Who is the lighthouse keeper?")
    assert "Ines Calloway" in answer["answer"]
    assert Path(answer["sources"][0]["path"]).name == "lighthouse.md"
    assert answer["mode"] == "blend"
    assert answer["kv"]["computed_tokens"] == 0
