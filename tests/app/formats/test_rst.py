import pytest

from app.formats.rst import extract

GUIDE = """=====
Guide
=====

:Author: Änne

.. contents:: All
   :depth: 2

.. _install:

Install ``it`` with `pip <https://example.org>`_
------------------------------------------------
First words
over two lines.

.. note:: Careful

   Even so::

     run it

.. A comment that
   is not read.

Deeper
~~~~~~

- a
- b

----

=====  =====
a      b
=====  =====
1      2
=====  =====

Usage
-----
.. _target: https://example.org
"""


def passages(source: str) -> list[tuple[str, str | None]]:
    document = extract(source.encode(), "guide.rst")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def test_elements_stand_in_their_sections():
    install = "Guide > Install it with pip"
    assert passages(GUIDE) == [
        ("=====\nGuide\n=====", "Guide"),
        (":Author: Änne", "Guide"),
        ("Install ``it`` with `pip <https://example.org>`_\n" + "-" * 48, install),
        ("First words\nover two lines.", install),
        (".. note:: Careful\n\n   Even so::\n\n     run it", install),
        ("Deeper\n~~~~~~", f"{install} > Deeper"),
        ("- a\n- b", f"{install} > Deeper"),
        ("=====  =====\na      b\n=====  =====\n1      2\n=====  =====", f"{install} > Deeper"),
        ("Usage\n-----", "Guide > Usage"),
        (".. _target: https://example.org", "Guide > Usage"),
    ]


def test_the_title_is_the_first_heading():
    assert extract(GUIDE.encode(), "guide.rst").title == "Guide"
    assert extract(b"words", "guide.rst").title == "guide"


def test_levels_follow_the_order_in_which_adornments_appear():
    source = "A\n~~~\n\nB\n===\n\n***\nC\n***\n\nD\n***\n\nE\n===\n"
    assert [heading for _, heading in passages(source)] == ["A", "A > B", "A > B > C", "A > B > C > D", "A > E"]


@pytest.mark.parametrize(
    "source",
    ["Example:\n::", "words\n--", "two\nlines\n-----", "  indented\n  --------", "wait ...\n..."],
)
def test_other_lines_with_punctuation_below_are_no_headings(source: str):
    assert passages(source + "\n\n") == [(source, None)]


def test_a_title_may_follow_its_target_at_once():
    assert passages(".. _a:\nTitle\n=====\nwords") == [("Title\n=====", "Title"), ("words", "Title")]


@pytest.mark.parametrize(
    "source",
    [
        ".. image:: a.png\n   :alt: A boat",
        ".. [1] A footnote.",
        ".. |x| replace:: y",
        ".. py:function:: f(x)",
        "..note",
    ],
)
def test_what_a_reader_sees_is_kept(source: str):
    assert passages(source) == [(source, None)]


@pytest.mark.parametrize(
    "source", ["..", ".. words", ".. _a:", ".. toctree::\n\n   a\n   b", ".. Contents::", "=====\n"]
)
def test_what_no_reader_sees_is_left_out(source: str):
    assert passages(source) == []


def test_a_long_directive_is_read_paragraph_by_paragraph():
    paragraph = "   " + "word " * 200
    assert len(passages(f".. class:: A\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n")) == 4
