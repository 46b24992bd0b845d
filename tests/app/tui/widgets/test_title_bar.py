"""One line, whatever its width: what matters most goes last."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.tui.widgets.title_bar import model_state, title_line

READY = ModelReady("qwen2.5-0.5b", Path("/m.gguf"), ("f" * 8,), 32768, True, "", 1.0)
ACTIVITY = "steeping 43 % · 128 tokens/s"


def line(width: int, title: str = "The ferry", activity: str = ACTIVITY) -> str:
    return title_line(width, "Chat", title, READY, activity).plain


def test_with_room_everything_is_there():
    shown = line(100)
    assert shown.startswith("steep · Chat · The ferry ")
    assert shown.endswith(f" {ACTIVITY}  ● qwen2.5-0.5b")
    assert len(shown) == 100


def test_the_title_is_shortened_first():
    shown = line(80, "A very long title of a conversation about ferries and lighthouses")
    assert "A very long" in shown
    assert "…" in shown
    assert ACTIVITY in shown
    assert len(shown) == 80


def test_then_the_activity_goes_and_the_model_stays():
    shown = line(48)
    assert ACTIVITY not in shown
    assert shown.endswith("● qwen2.5-0.5b")


def test_a_title_is_one_line_without_control_characters():
    assert "a b\ufffd[red]c" in line(100, "a\n b\x1b[red]c")


@given(st.integers(1, 200), st.text(max_size=60), st.text(max_size=40))
def test_no_line_is_longer_than_the_bar(width: int, title: str, activity: str):
    shown = title_line(width, "Chat", title, READY, activity)
    assert shown.cell_length <= max(width, len("steep · Chat"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (READY, "● qwen2.5-0.5b"),
        (ModelLoading(""), "◐ loading the model"),
        (ModelLoading("qwen"), "◐ loading qwen"),
        (ModelLoading("qwen", 0.434), "◐ preparing qwen 43%"),
        (ModelFailed("", "there is none"), "○ no model"),
        (ModelFailed("qwen", "it is damaged"), "○ qwen failed"),
    ],
)
def test_the_state_of_the_model_is_told_in_words(model: ModelLoading | ModelReady | ModelFailed, words: str):
    assert model_state(model).plain == words
