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
