from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from app.citation import Quote
from app.commands.ask_account import Line, source_lines, timing_lines
from engine.requests import AnswerDone, ChunkUse, Mode, StageTimes
from storage.values import ChunkText, Hit, StoredChunk

HEADINGS = [None, "Goats", "茶の" * 30]


def hit(number: int, heading: str | None, name: str = "") -> Hit:
    chunk = ChunkText(0, 1, 3 if heading == "Goats" else None, heading, "text", 1)
    return Hit(StoredChunk(number, Path("/documents") / (name or f"{number}.pdf"), "a", 0, chunk), 1.0)


HITS = {number: hit(number, heading) for number, heading in enumerate(HEADINGS)}
USES = [ChunkUse(number, 30, num_loaded=20, num_recomputed=10, attention=0.05 + number / 10) for number in HITS]


def lines_of(
    width: int | None = None,
    uses: Sequence[ChunkUse] = USES,
    hits: Mapping[int, Hit] = HITS,
    quotes: Mapping[int, Quote] | None = None,
) -> list[Line]:
    return list(source_lines(uses, hits, quotes or {}, width, "teahouse"))


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
    hits = {0: hit(0, None, "a\nb\x1b[2Jc\t\udce9.txt"), 1: hit(1, None)}
    heading, line, other = lines_of(uses=USES[:2], hits=hits)
    assert "a\ufffdb\ufffd[2Jc\ufffd\ufffd.txt" in line.text
    assert cell_len(line.text) == cell_len(other.text) == cell_len(heading.text)
    assert linked(line).popitem()[1] == "file://teahouse/documents/a%0Ab%1B%5B2Jc%09%E9.txt"


def test_without_measured_attention_there_is_no_share():
    heading, line = lines_of(uses=[ChunkUse(0, 30, num_computed=30)])
    assert line.text.split() == ["/documents/0.pdf", "–", "–", "30"]
    assert len(heading.text) == len(line.text)


def test_a_quote_stands_dim_below_the_name_of_its_source():
    _, _, name, quote, _ = lines_of(quotes={1: Quote(3, 20, "The oldest goat\n  is called\x1bAdmiral.")})
    assert quote.text.strip() == "“The oldest goat is called\ufffdAdmiral.”"
    assert quote.style == "dim"
    assert quote.text.index("“") == name.text.index("/documents")


@pytest.mark.parametrize("words", ["goats " * 60, "茶" * 60])
def test_a_quote_is_shortened_to_the_width(words: str):
    _, _, quote, *_ = lines_of(60, quotes={0: Quote(0, 1, words)})
    assert 58 <= cell_len(quote.text) <= 60
    assert quote.text.endswith("…”")


def test_the_first_sources_only_show_quotes():
    hits = {number: hit(number, None) for number in range(6)}
    uses = [ChunkUse(number, 30) for number in hits]
    quotes = {number: Quote(0, 1, f"quote {number}") for number in (0, 2, 3, 5)}
    texts = [line.text.strip() for line in lines_of(uses=uses, hits=hits, quotes=quotes)]
    assert [text for text in texts if "quote" in text] == ["“quote 0”", "“quote 2”", "“quote 3”"]


def test_the_times_fit_a_terminal_of_80_columns():
    slow = StageTimes(12_345.6, 12_345.6, 123_456.7, 123_456.7, 999_999.9, 12.34)
    done = AnswerDone("text", Mode.BLEND, tuple(USES), slow, num_answer_tokens=1)
    context, first_token, answer = timing_lines(done, 12.3)
    assert context.split("  ")[-1].strip() == "90 tokens in 3 chunks (blend)"
    assert "retrieve 12 ms, load 12.3 s, score 12.3 s, recompute 123 s" in first_token
    assert "1 token, 12.3 tokens/s" in answer
    assert max(map(len, (context, first_token, answer))) <= 80
