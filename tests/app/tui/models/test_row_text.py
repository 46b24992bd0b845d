"""A line of the list of models."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from app.models.listed import ListedModel
from app.tui.models.entry import ModelEntry, State
from app.tui.models.row_text import Row, columns_for, header_text, row_text
from tests.app.tui.models.model_entries import FACTS, embedding_entry, entry
from tests.app.tui.models.models_pilot import TIGHT, TOO_LARGE


def line(model: ModelEntry, width: int = 140, *, state: State = State.NONE, reason: str = "") -> str:
    return row_text(Row(model, state, reason), width).plain


def test_a_line_has_all_columns_where_there_is_room():
    assert " ".join(line(entry()).split()) == "qwen 491 MB 0.5B Q4_K_M steep 32,768 12.3 KB ✓ fits blended"


def test_the_columns_stand_below_their_titles():
    header, text = header_text(140).plain, line(entry())
    for title, cell in (("Name", "qwen"), ("Model", "0.5B"), ("From", "steep"), ("Memory", "✓"), ("Answers", "blend")):
        assert header.index(title) == text.index(cell), title
    for title, cell in (("Size", "491 MB"), ("Context", "32,768"), ("KV/token", "12.3 KB")):
        assert header.index(title) + len(title) == text.index(cell) + len(cell), title


def test_narrow_lines_keep_what_decides():
    titles = [column.title for column in columns_for(79)]
    assert titles == ["Size", "Model", "Memory", "Answers"]
    assert [column.title for column in columns_for(90)] == ["Size", "Model", "Context", "Memory", "Answers"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (entry(), "✓ fits       blended"),
        (entry(num_bytes=TIGHT), "~ tight      blended"),
        (entry(num_bytes=TOO_LARGE), "✗ too large  blended"),
        (entry(facts=replace(FACTS, blendable=False, reason="it slides")), "✓ fits       exact"),
        (embedding_entry(), "✓ fits       search"),
        (entry(facts=None, problem="it is damaged"), "! unusable"),
        (ModelEntry(ListedModel("starter", None, 1), None, entry().fit), "✓ fits       in parts"),
    ],
)
def test_what_a_model_can_do_is_told_by_sign_and_word(model: ModelEntry, words: str):
    assert line(model, 79).rstrip().endswith(f"  {words}")


def test_a_model_that_could_not_be_loaded_is_marked_as_such():
    assert line(entry(), reason="it is damaged").rstrip().endswith("! failed")


def test_the_model_that_answers_has_a_dot_and_the_one_that_is_loaded_half_a_dot():
    assert line(entry(), state=State.ANSWERS).startswith("● qwen")
    assert line(entry(), state=State.LOADING).startswith("◐ qwen")
    assert line(entry()).startswith("  qwen")


@given(st.text(max_size=60), st.integers(60, 200))
def test_lines_have_the_width_they_are_given(name: str, width: int):
    text = line(ModelEntry(ListedModel(name, None, 12_345), FACTS, entry().fit), width)
    assert cell_len(text) == width
    assert "\n" not in text
