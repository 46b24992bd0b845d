import pytest

from app.formats.markdown import extract

GUIDE = b"""---
title: not read
---

# The *Guide* to `steep`

Hello.

## Install

1. one

   more of one
2. two

```sh
# no heading

run it
```

### Details

| a | b |
|---|---|
| 1 | 2 |

***

Usage
-----

> quoted

[link]: http://example.org/
"""


def passages(data: bytes) -> list[tuple[str, str | None]]:
    document = extract(data, "guide.md")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def test_each_element_is_a_passage_under_its_breadcrumb():
    top = "The Guide to steep"
    assert passages(GUIDE) == [
        ("# The *Guide* to `steep`", top),
        ("Hello.", top),
        ("## Install", f"{top} > Install"),
        ("1. one\n\n   more of one\n2. two", f"{top} > Install"),
        ("```sh\n# no heading\n\nrun it\n```", f"{top} > Install"),
        ("### Details", f"{top} > Install > Details"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", f"{top} > Install > Details"),
        ("Usage\n-----", f"{top} > Usage"),
        ("> quoted", f"{top} > Usage"),
        ("[link]: http://example.org/", f"{top} > Usage"),
    ]


def test_the_title_is_the_first_heading_of_level_one():
    assert extract(GUIDE, "guide.md").title == "The Guide to steep"
    assert extract(b"> # quoted\n\n## second level\n\n# first level", "guide.md").title == "first level"
    assert extract(b"## only second level", "guide.md").title == "guide"


def test_front_matter_stays_in_the_text():
    document = extract(GUIDE, "guide.md")
    assert document.text == GUIDE.decode()
    assert document.passages[0].start == GUIDE.index(b"# The")


def test_a_thematic_break_at_the_top_opens_no_front_matter():
    assert passages(b"---\n\nfirst\n\n---\n\nsecond\n") == [("first", None), ("second", None)]


def test_spans_hold_when_line_ends_and_line_like_characters_are_odd():
    data = "# A\r\n\r\nb\x0bc\u2028d\r\n\r\ne".encode()
    assert [text for text, _ in passages(data)] == ["# A", "b\x0bc\u2028d", "e"]


def test_an_unclosed_fence_reaches_to_the_end():
    assert passages(b"```\na\n\nb\n") == [("```\na\n\nb", None)]


def test_a_heading_cannot_forge_a_deeper_breadcrumb():
    assert passages(b"# a > b")[0][1] == "a b"


def test_the_title_of_the_front_matter_stands_in_for_a_heading():
    source = b"---\nlayout: post\ntitle: 'Of Tides'\n---\n\nwords\n\n## Part\n"
    assert extract(source, "post.md").title == "Of Tides"
    assert passages(source) == [("words", "Of Tides"), ("## Part", "Of Tides > Part")]


def test_a_document_of_many_chapters_has_its_title_from_the_front_matter():
    source = b'---\ntitle: "Book"\n---\n# One\n\n# Two\n'
    assert extract(source, "book.qmd").title == "Book"
    assert passages(source) == [("# One", "Book > One"), ("# Two", "Book > Two")]
    assert extract(b"# One\n\n# Two\n", "book.qmd").title == "One"


@pytest.mark.parametrize("title", ["", ">-", "|", "''"])
def test_a_front_matter_without_a_title_on_its_line_gives_none(title: str):
    assert extract(f"---\ntitle: {title}\n---\nwords".encode(), "post.md").title == "post"


def test_front_matter_may_be_toml():
    source = b'+++\ntitle = "Of Tides"\n+++\nwords'
    assert extract(source, "post.md").title == "Of Tides"
    assert passages(source) == [("words", "Of Tides")]


def test_wiki_links_in_headings_are_their_words():
    assert passages(b"# See [[Sea Level|the *sea*]], [[Moon]] and ![[Sun]]")[0][1] == "See the sea, Moon and Sun"
    assert passages(b"words [[Sea Level|the sea]]") == [("words [[Sea Level|the sea]]", None)]


@pytest.mark.parametrize("heading", ["a * b", r"a \* b", "a &amp; b", "`a`", "a <b>b</b>", "<https://a.b>", "a [b](c)"])
def test_headings_with_markup_are_their_words(heading: str):
    words = {"a * b": "a * b", r"a \* b": "a * b", "a &amp; b": "a & b", "`a`": "a", "<https://a.b>": "https://a.b"}
    assert passages(f"# {heading}".encode())[0][1] == words.get(heading, "a b")


def test_pictures_written_as_text_are_left_out():
    blob = "A" * 5000
    source = f"before ![a](data:image/png;base64,{blob}) after\n\n[b]: <data:image/png;base64,{blob}>\n"
    assert [text for text, _ in passages(source.encode())] == [
        "before ![a](data:image/png;base64,",
        ") after",
        "[b]: <data:image/png;base64,",
        ">",
    ]


def test_setext_headings_over_two_lines_are_one():
    assert passages(b"Two\nlines\n=====\n\nwords") == [("Two\nlines\n=====", "Two lines"), ("words", "Two lines")]


def test_a_table_of_github_is_one_passage():
    table = "| a | b \\| c |\n|:--|--:|\n| `1` | 2 |"
    assert passages(f"words\n\n{table}\n\nwords".encode())[1] == (table, None)


def test_code_cells_and_components_are_passages():
    source = b"import A from './a'\n\n```{r, echo=FALSE}\n# no heading\n```\n\n<A x={1}>\n\n# Heading\n\n</A>\n"
    assert [heading for _, heading in passages(source)] == [None, None, None, "Heading", "Heading"]
