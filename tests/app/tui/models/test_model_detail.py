"""Everything about one model, in sentences."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.models.listed import ListedModel
from app.tui.models.entry import ModelEntry
from app.tui.models.model_detail import detail_text
from app.tui.models.row_text import Row
from tests.app.gate.test_course import BLENDS
from tests.app.tui.models.model_entries import FACTS, SETTINGS, embedding_entry, entry
from tests.app.tui.models.models_pilot import TOO_LARGE, ready

READY = ready(Path("/models/other.gguf"))
PATH = Path("/models/qwen.gguf")


def detail(model: ModelEntry, *, says: ModelLoading | ModelReady | ModelFailed = READY, reason: str = "") -> str:
    row = Row(model, model.state(says), reason)
    return detail_text(row, says, SETTINGS, Path("/home/config.toml")).plain


def test_all_numbers_of_a_model_are_told():
    takes = "Takes 491 MB for the model, 656 MB for 8,192 tokens of conversation (12.3 KB each) and the program."
    assert detail(entry()).splitlines() == [
        "qwen",
        f"✓ fits: needs 1.1 GB of the 9.0 GB of RAM that are free. {takes}",
        "Blended: what was steeped is loaded, and a few tokens are computed again.",
        "Gate: not measured; steep doctor --model.",
        "qwen2 · 0.5B Q4_K_M · 491 MB · context of 32,768 tokens · from steep",
        "/models/qwen.gguf",
    ]


def test_a_conversation_is_never_longer_than_the_model_was_trained_for():
    assert "for 2,048 tokens of conversation" in detail(entry(facts=replace(FACTS, context_length=2048)))


def test_a_model_that_is_too_large_says_for_what():
    assert "✗ too large: needs 20.7 GB, and this machine has 16.0 GB of RAM. Takes 20 GB" in detail(
        entry(num_bytes=TOO_LARGE)
    )


def test_the_model_that_answers_tells_how_long_it_took_and_not_whether_it_would_fit():
    text = detail(entry(), says=ready(PATH))
    assert "● Answers now; it was loaded in 412 ms." in text
    assert "fits" not in text


@pytest.mark.parametrize(("fraction", "words"), [(None, "Is loaded now …"), (0.45, "Is loaded now: 45% …")])
def test_a_model_that_is_loaded_now_says_so(fraction: float | None, words: str):
    assert words in detail(entry(), says=ModelLoading("qwen", fraction))


def test_why_a_model_failed_is_told_once():
    failed = ModelFailed("qwen", "It is damaged.")
    assert detail(entry(), says=failed, reason="It is damaged.").count("It is damaged.") == 1
    assert "! It is damaged." in detail(entry(), reason="It is damaged.")


def test_a_measured_model_tells_what_its_blended_answers_are_worth():
    text = detail(replace(entry(), verdict=BLENDS))
    assert "Gate: blends at 20 % (KL .08, agreement .93; bar .10, .90).\n" in text


def test_a_model_that_cannot_be_blended_says_why():
    facts = replace(FACTS, blendable=False, reason="it has recurrent memory")
    assert "Exact only, since it has recurrent memory: passages are read" in detail(entry(facts=facts))


def test_an_embedding_model_says_how_to_search_with_it():
    text = detail(embedding_entry())
    assert 'set embedding_model = "minilm" in /home/config.toml' in text
    assert "Blended" not in text


def test_a_starter_model_says_that_it_is_joined():
    assert "joined to one file when it is used first" in detail(
        ModelEntry(ListedModel("starter", None, 491_000_000), None, entry().fit)
    )


def test_an_unusable_model_says_what_is_wrong():
    text = detail(entry(facts=None, problem="/m is not a GGUF model."))
    assert "! /m is not a GGUF model." in text
    assert "fits" not in text


def test_control_characters_of_names_and_reasons_are_not_obeyed():
    text = detail(entry("a\x1b[2Jb"), reason="\x1b[2J")
    assert "\x1b" not in text
