import time

import pytest

from app.formats.errors import Damaged
from app.formats.zipped.xml_parts import attribute, child, children, descendants, local_name, parse

LAUGHS = "".join(f'<!ENTITY a{index} "{f"&a{index - 1};" * 10}">' for index in range(1, 12))
BILLION_LAUGHS = f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>'


def names(text: str, *closed: str) -> list[str]:
    return [local_name(element) for element in descendants(parse(text.encode(), "a", "b"), frozenset(closed))]


def test_elements_and_attributes_are_known_by_their_local_names():
    root = parse(b'<x:a xmlns:x="u" x:b="1" c="2"><x:d/><d/></x:a>', "name", "part")
    assert local_name(root) == "a"
    assert (attribute(root, "b"), attribute(root, "c"), attribute(root, "d")) == ("1", "2", None)
    assert len(list(children(root, "d"))) == 2
    assert attribute(None, "b") is None


def test_a_child_is_found_through_several_levels():
    root = parse(b"<a><b/><b><c/></b></a>", "name", "part")
    assert child(root, "b") is not None
    # Of the first b only, which has no children.
    assert child(root, "b", "c") is None
    assert child(None, "b") is None


def test_descendants_come_in_document_order_without_what_is_closed():
    text = "<a><b><c/></b><!-- no --><?no no?><d><e/></d><f/></a>"
    assert names(text) == ["b", "c", "d", "e", "f"]
    assert names(text, "b") == ["b", "d", "e", "f"]


@pytest.mark.parametrize("text", ["", "<a>", "<a></b>", "plain", "<a>\x01</a>", "<a>&nothing;</a>", "\xff"])
def test_what_is_no_xml_is_reported_in_one_line(text: str):
    with pytest.raises(Damaged) as caught:
        parse(text.encode("latin-1"), "a.docx", "word/document.xml")
    assert caught.value.reason.startswith("is damaged: its part word/document.xml is no XML: ")
    assert "\n" not in caught.value.reason


def test_entities_that_multiply_are_refused():
    start = time.monotonic()
    with pytest.raises(Damaged, match=r"[Aa]mplification|entity"):
        parse(f'{BILLION_LAUGHS}<x y="&a11;"/>'.encode(), "a", "b")
    with pytest.raises(Damaged, match=r"[Aa]mplification|entity"):
        parse(f"{BILLION_LAUGHS}<x>&a11;</x>".encode(), "a", "b")
    # Unfolded they take 200 GB.
    assert time.monotonic() - start < 5


def test_entities_do_not_read_files():
    root = parse(b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><x>a&f;b</x>', "a", "b")
    assert root.text == "a"
    assert [local_name(element) for element in descendants(root)] == [""]


def test_trees_deeper_than_any_document_are_refused():
    with pytest.raises(Damaged, match=r"[Dd]epth"):
        parse(b"<a>" * 300 + b"</a>" * 300, "a", "b")
