import pytest

from app.formats.org import extract

NOTES = """#+TITLE: Of *Tides*
#+STARTUP: overview
#+AUTHOR: Änne

Before all.
* TODO [#A] First [[https://example.org][link]] and =code= :sea:moon:
SCHEDULED: <2024-01-01>
:PROPERTIES:
:CUSTOM_ID: first
:END:
Words
over two lines.

# not read
- a
- b
** Deeper
#+begin_src python
# kept

:PROPERTIES:
#+end_src
| a | b |
* DONE
* Last
"""


def passages(source: str) -> list[tuple[str, str | None]]:
    document = extract(source.encode(), "notes.org")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def test_elements_stand_in_their_sections():
    first = "Of Tides > First link and code"
    assert passages(NOTES) == [
        ("#+AUTHOR: Änne", "Of Tides"),
        ("Before all.", "Of Tides"),
        ("* TODO [#A] First [[https://example.org][link]] and =code= :sea:moon:", first),
        ("SCHEDULED: <2024-01-01>", first),
        ("Words\nover two lines.", first),
        ("- a\n- b", first),
        ("** Deeper", f"{first} > Deeper"),
        ("#+begin_src python\n# kept\n\n:PROPERTIES:\n#+end_src\n| a | b |", f"{first} > Deeper"),
        ("* DONE", "Of Tides"),
        ("* Last", "Of Tides > Last"),
    ]


def test_the_title_is_that_of_the_document():
    document = extract(NOTES.encode(), "notes.org")
    assert document.title == "Of Tides"
    assert document.text == NOTES
    assert extract(b"* A\n", "notes.org").title == "notes"


def test_a_drawer_that_is_never_closed_is_text():
    assert passages("* A\n:open:\nwords\n* B\n:END:\n") == [
        ("* A", "A"),
        (":open:\nwords", "A"),
        ("* B", "B"),
        (":END:", "B"),
    ]


def test_a_block_that_is_never_closed_ends_with_its_section():
    assert passages("#+BEGIN_QUOTE\na\n\nb\n* A\n\nc") == [("#+BEGIN_QUOTE\na\n\nb", None), ("* A", "A"), ("c", "A")]


@pytest.mark.parametrize("line", ["*bold* text", "*", "**", " * item"])
def test_other_lines_with_stars_are_no_headings(line: str):
    assert passages(f"{line}\n") == [(line, None)]


def test_a_blank_file_has_no_passages():
    assert passages("#+STARTUP: x\n\n# only comments\n") == []
