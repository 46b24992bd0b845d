from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from app.citation import Quote
from app.commands.ask_account import Line, source_lines, timing_lines
from app.conversations.account import Account, Source, Timing

HEADINGS = [None, "Goats", "茶の" * 30]


def source(number: int, heading: str | None = None, name: str = "", quote: Quote | None = None) -> Source:
    return Source(
        chunk_id=number,
        path=Path("/documents") / (name or f"{number}.pdf"),
        page=3 if heading == "Goats" else None,
        heading=heading,
        start=0,
        end=1,
        quote=quote,
        score=1.0,
        attention=0.05 + number / 10,
        num_tokens=30,
        num_loaded=20,
        num_recomputed=10,
    )


SOURCES = [source(number, heading) for number, heading in enumerate(HEADINGS)]


def lines_of(width: int | None = None, sources: Sequence[Source] = SOURCES) -> list[Line]:
    return list(source_lines(sources, width, "teahouse"))


def quoting(quotes: Mapping[int, Quote], sources: Sequence[Source] = SOURCES) -> list[Source]:
    return [replace(source, quote=quotes.get(source.chunk_id)) for source in sources]


def linked(line: Line) -> dict[str, str]:
    return {line.text[link.start : link.end]: link.uri for link in line.links}


@pytest.mark.parametrize("width", [None, 200, 80, 60])
def test_all_lines_are_equally_wide_and_fit(width: int | None):
    heading, *lines = lines_of(width)
    assert {cell_len(line.text) for line in lines} == {cell_len(heading.text)}
    assert width is None or cell_len(heading.text) <= width


def test_a_line_names_share_path_place_and_tokens():
    _, line, page, _ = lines_of()
    assert line.text.split() == ["5%", "/documents/0.pdf", "20", "10", "–"]
    assert page.text.split()[:4] == ["15%", "/documents/1.pdf,", "page", "3"]


def test_a_name_that_is_too_long_ends_with_an_ellipsis():
    assert "…" in lines_of(80)[-1].text
    assert "茶の" * 30 in lines_of()[-1].text


@pytest.mark.parametrize("width", [None, 80])
def test_the_name_alone_is_a_link_to_its_place(width: int | None):
    heading, first, page, long = lines_of(width)
    assert linked(heading) == {}
    assert linked(first) == {"/documents/0.pdf": "file://teahouse/documents/0.pdf"}
    assert linked(page) == {"/documents/1.pdf, page 3": "file://teahouse/documents/1.pdf#page=3"}
    (name,) = linked(long)
    assert name.startswith("/documents/2.pdf, 茶")
    assert name.endswith("…" if width else "茶の")


def test_a_name_with_control_characters_stays_on_its_line_and_in_its_column():
    heading, line, other = lines_of(sources=[source(0, name="a\nb\x1b[2Jc\t\udce9.txt"), source(1)])
    assert "a\ufffdb\ufffd[2Jc\ufffd\ufffd.txt" in line.text
    assert cell_len(line.text) == cell_len(other.text) == cell_len(heading.text)
    assert linked(line).popitem()[1] == "file://teahouse/documents/a%0Ab%1B%5B2Jc%09%E9.txt"


def test_without_measured_attention_there_is_no_share():
    unmeasured = replace(source(0), attention=None, num_loaded=0, num_recomputed=0, num_computed=30)
    heading, line = lines_of(sources=[unmeasured])
    assert line.text.split() == ["/documents/0.pdf", "–", "–", "30"]
    assert len(heading.text) == len(line.text)


def test_a_quote_stands_dim_below_the_name_of_its_source():
    _, _, name, quote, _ = lines_of(sources=quoting({1: Quote(3, 20, "The oldest goat\n  is called\x1bAdmiral.")}))
    assert quote.text.strip() == "“The oldest goat is called\ufffdAdmiral.”"
    assert quote.style == "dim"
    assert quote.text.index("“") == name.text.index("/documents")


@pytest.mark.parametrize("words", ["goats " * 60, "茶" * 60])
def test_a_quote_is_shortened_to_the_width(words: str):
    _, _, quote, *_ = lines_of(60, quoting({0: Quote(0, 1, words)}))
    assert 58 <= cell_len(quote.text) <= 60
    assert quote.text.endswith("…”")


def test_the_first_sources_only_show_quotes():
    quotes = {number: Quote(0, 1, f"quote {number}") for number in (0, 2, 3, 5)}
    texts = [line.text.strip() for line in lines_of(sources=quoting(quotes, [source(i) for i in range(6)]))]
    assert [text for text in texts if "quote" in text] == ["“quote 0”", "“quote 2”", "“quote 3”"]


def test_the_times_fit_a_terminal_of_80_columns():
    slow = Timing(12.3, 12_345.6, 12_345.6, 123_456.7, 123_456.7, 999_999.9, 12.34)
    account = Account("blend", "a model", tuple(SOURCES), slow, num_answer_tokens=1)
    context, first_token, answer = timing_lines(account)
    assert context.split("  ")[-1].strip() == "90 tokens in 3 chunks (blend)"
    assert "retrieve 12 ms, load 12.3 s, score 12.3 s, recompute 123 s" in first_token
    assert "1 token, 12.3 tokens/s" in answer
    assert max(map(len, (context, first_token, answer))) <= 80
