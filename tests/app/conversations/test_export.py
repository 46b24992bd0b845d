"""What becomes of a conversation in a file."""

import json
from dataclasses import replace
from pathlib import Path

from app.citation import Quote
from app.conversations.account import Account, MemoryFill, Source, Timing, from_object
from app.conversations.export import as_markdown, as_object
from storage.values import Conversation, Turn

SOURCE = Source(
    7, Path("/docs/tea.pdf"), 3, "Tea > Leaves", 0, 40, Quote(0, 9, "Oolong\n is"), 1.5, 0.6, 20, num_loaded=20
)
ACCOUNT = Account("blend", "a model", (SOURCE,), Timing(ttft_ms=1234.0), memory=MemoryFill(100, 8192))
TURN = Turn(1, 0, "What is oolong?", "A tea.\n", ACCOUNT.as_json(), 1_700_000_000)
CONVERSATION = Conversation(1, "What is\noolong?", 1_700_000_000, 1_700_000_100, 1, (Path("/docs"),))


def test_markdown_has_questions_as_headings_answers_and_sources_with_place_and_quote() -> None:
    assert as_markdown(CONVERSATION, [TURN]) == (
        "# What is oolong?\n\n"
        "## What is oolong?\n\n"
        "A tea.\n\n"
        "Sources:\n\n"
        "- `/docs/tea.pdf`, page 3: “Oolong is”\n\n"
        "*2023-11-14T22:13:20+00:00, a model (blend), first token after 1.2 s*\n"
    )


def test_a_question_of_several_lines_is_quoted_whole_below_its_heading() -> None:
    text = as_markdown(CONVERSATION, [replace(TURN, question="Which?\n- a\n- b")])
    assert "## Which? - a - b\n\n> Which?\n> - a\n> - b\n\nA tea." in text


def test_the_object_says_all_that_the_account_says() -> None:
    told = json.loads(json.dumps(as_object(CONVERSATION, [TURN])))
    (turn,) = told["turns"]
    assert (told["title"], told["scope"]) == ("What is\noolong?", ["/docs"])
    assert (turn["question"], turn["answer"]) == ("What is oolong?", "A tea.\n")
    assert from_object(turn) == ACCOUNT


def test_a_turn_with_a_foreign_account_keeps_its_words() -> None:
    foreign = replace(TURN, account='{"version": 99}')
    assert as_markdown(CONVERSATION, [foreign]).endswith("## What is oolong?\n\nA tea.\n")
    assert as_object(CONVERSATION, [foreign])["turns"] == [
        {"question": "What is oolong?", "asked_at": "2023-11-14T22:13:20+00:00", "answer": "A tea.\n"}
    ]
