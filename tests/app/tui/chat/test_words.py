"""What the chat says, and in how much room: pure."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.citation import Quote
from app.conversations.account import Heat
from app.tui.chat.context_row import scope_words
from app.tui.chat.passage_text import passage_content
from app.tui.chat.question_history import QuestionHistory
from app.tui.chat.source_list import source_option
from app.tui.chat.source_words import place_of, quote_of, share_of, shortened, title_of
from tests.app.tui.chat.chat_pilot import OTHER, SOURCE, TEXT


def test_a_source_has_a_share_a_name_and_a_place() -> None:
    assert share_of(SOURCE) == "62 %"
    assert share_of(replace(SOURCE, attention=None)) == ""
    assert title_of(SOURCE) == "ferry.md, The ferry"
    assert title_of(OTHER) == "cats.pdf, page 3"
    assert place_of(replace(SOURCE, heading=None)) == ""


def test_a_long_quote_ends_at_a_word() -> None:
    quote = quote_of(replace(SOURCE, quote=Quote(0, 1, "seven words of it " * 20)))
    assert len(quote) < 170
    assert quote.endswith(("words…”", "of…”", "it…”", "seven…”"))


def test_names_of_files_stay_on_their_line() -> None:
    assert title_of(replace(OTHER, path=Path("/a\nb\x1b[2J.md"))) == "a b\ufffd[2J.md, page 3"


@pytest.mark.parametrize(("width", "shown"), [(20, "abcdefghij"), (10, "abcdefghij"), (7, "abc…hij"), (6, "ab…hij")])
def test_names_are_shortened_in_the_middle(width: int, shown: str) -> None:
    assert shortened("abcdefghij", width) == shown


def test_an_entry_of_the_list_keeps_to_its_width() -> None:
    long = replace(SOURCE, path=Path(f"/{'long-name-' * 9}.md"), heading="A heading " * 9)
    for width in (24, 40, 76):
        shown = source_option(long, width, with_quote=True)
        assert max(line.cell_length for line in shown.split("\n")) <= width


def test_a_scope_of_one_is_named_and_more_are_counted() -> None:
    assert scope_words([Path("/documents/ferry.md")]) == "ferry.md"
    assert scope_words([Path("/a"), Path("/b")]) == "2 places"


def styled(style: str) -> list[str]:
    content = passage_content(TEXT, 100, SOURCE_AT_100)
    return [content.plain[span.start : span.end] for span in content.spans if style in str(span.style)]


SOURCE_AT_100 = replace(
    SOURCE,
    quote=Quote(127, 153, TEXT[27:53]),
    heat=(Heat(90, 103, 2), Heat(131, 138, 5), Heat(142, 153, 9), Heat(900, 910, 9)),
)


def test_hot_words_are_bold_and_the_quote_is_underlined_so_that_both_show_without_colours() -> None:
    assert styled("bold") == ["Odile Marsh"]
    assert styled("underline") == ["Its captain is Odile Marsh"]


def test_heat_that_reaches_beyond_the_passage_is_cut_to_it() -> None:
    assert styled("$warning") == ["The", "captain", "Odile Marsh"]


def test_hotter_words_have_more_of_the_colour() -> None:
    content = passage_content(TEXT, 100, SOURCE_AT_100)
    shares = [str(span.style).split("$warning ")[1].split("%")[0] for span in content.spans if "on" in str(span.style)]
    assert [int(share) for share in shares] == sorted(int(share) for share in shares)
    assert len(set(shares)) == 3


def test_the_history_goes_back_to_the_oldest_and_returns_to_what_was_typed() -> None:
    history = QuestionHistory()
    history.extend(["newer", "older"])
    assert [history.back("draft"), history.back(""), history.back("")] == ["newer", "older", None]
    assert [history.forward(), history.forward(), history.forward()] == ["newer", "draft", None]


def test_a_question_that_is_asked_again_stands_once_and_first() -> None:
    history = QuestionHistory()
    history.extend(["b", "a", "b"])
    history.add("a")
    assert [history.back(""), history.back(""), history.back("")] == ["a", "b", None]
