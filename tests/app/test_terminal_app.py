"""The real program with the real model on a real terminal: start, add a folder, ask, quit, start again, resume.

Without a mouse, as a newcomer would go.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.app.tmux import Screen, on_screen

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.model


@pytest.fixture
def environment(tmp_path: Path, starter_model: Path) -> dict[str, str]:
    """A new user: no config, no documents, a model in the models folder."""
    models = tmp_path / "home" / "data" / "models"
    models.mkdir(parents=True)
    os.link(starter_model, models / starter_model.name)
    return {
        "HOME": str(tmp_path),
        "STEEP_HOME": str(tmp_path / "home"),
        "STEEP_MAX_ANSWER_TOKENS": "48",
        "STEEP_GATE": "false",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "TERM": "screen-256color",
        "LANG": "C.UTF-8",
    }


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Some of the demo folder: what is steeped in half a minute."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("thistle_farm.md", "people.md", "lighthouse.md"):
        shutil.copy(ROOT / "assets" / "demo" / name, folder)
    return folder


def command() -> list[str]:
    return [sys.executable, "-m", "app"]


def ask(screen: Screen, question: str) -> None:
    screen.type(question)
    screen.wait_for(question)
    screen.press("Enter")


def test_a_newcomer_gets_an_answer_and_finds_the_conversation_again(
    environment: dict[str, str], documents: Path, tmp_path: Path
) -> None:
    with on_screen(command(), environment, tmp_path) as screen:
        screen.wait_for("First steps")
        screen.press("Escape")
        screen.press("F3")
        screen.wait_for("no folder is watched yet")
        screen.press("a")
        screen.wait_for("tab completes", "▾")
        screen.press("C-u")
        screen.wait_until_gone(f"{tmp_path}/")
        screen.type(str(documents))
        screen.wait_for(str(documents))
        screen.press("Enter")
        screen.wait_for("thistle_farm.md", "● 3 steeped")
        screen.press("F2")
        screen.wait_for("Ask your documents")
        ask(screen, "Who is the farmer of Thistle Farm?")
        screen.wait_for("Wilma Oakes", "first token", "sources", "loaded")
        screen.press("C-q")
        screen.wait_for_end()

    with on_screen(command(), environment, tmp_path) as screen:
        screen.wait_for("Ask your documents")
        screen.press("F5")
        screen.wait_for("Who is the farmer", "1 turn")
        screen.press("Enter")
        screen.wait_for("Wilma Oakes", "memory")
        ask(screen, "How many goats does she have?")
        screen.wait_for("46", "kept")
        assert "read again" not in screen.text()
        screen.resize(80, 24)
        screen.wait_for("How many goats does she have?")
        screen.press("C-q")
        screen.wait_for_end()
