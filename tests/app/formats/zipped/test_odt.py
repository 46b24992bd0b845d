import pytest

from app.formats.errors import Damaged, Encrypted
from app.formats.zipped.odt import extract
from tests.app.formats.damaging import assert_read_or_refused
from tests.app.formats.zipped.zip_writer import zipped

NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
    }.items()
)


def written(body: str, styles: str = "", **parts: str) -> bytes:
    """A file with this text, these automatic styles and these other parts, such as meta="<office:..."."""
    content = (
        f"<office:document-content {NAMESPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    members = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": content,
    }
    return zipped(members | {f"{name}.xml": text for name, text in parts.items()})


def passages(body: str, styles: str = "") -> list[tuple[str, str | None]]:
    document = extract(written(body, styles), "a.odt")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def texts(body: str, styles: str = "") -> list[str]:
    return [text for text, _ in passages(body, styles)]


def items(*contents: str) -> str:
    return "".join(f"<text:list-item>{content}</text:list-item>" for content in contents)


def table(*rows: str) -> str:
    """A table; the cells of each row are separated by "|"."""
    cells = (f"<table:table-cell>{'</table:table-cell><table:table-cell>'.join(row.split('|'))}" for row in rows)
    whole = "".join(f"<table:table-row>{row}</table:table-cell></table:table-row>" for row in cells)
    return f"<table:table>{whole}</table:table>"


def test_headings_make_the_breadcrumb():
    body = (
        '<text:h text:outline-level="1">A</text:h><text:p>one</text:p><text:h text:outline-level="2">B</text:h>'
        "<text:section><text:p>two</text:p></text:section><text:h>C</text:h>"
    )
    assert passages(body) == [("A", "A"), ("one", "A"), ("B", "A > B"), ("two", "A > B"), ("C", "C")]


def test_words_are_read_across_the_elements_of_a_paragraph():
    body = '<text:p>a<text:span>b</text:span>c<text:s text:c="9"/>d<text:tab/>e \n f<text:line-break/>g</text:p>'
    assert texts(body) == ["abc d e f\ng"]


def test_list_items_are_lines_of_one_passage():
    inner = f"<text:p>b</text:p><text:p>b2</text:p><text:list>{items('<text:p>x</text:p>')}</text:list>"
    lists = f"<text:list>{items('<text:p>a</text:p>', inner, '<text:p/>', '<text:p>c</text:p>')}</text:list>"
    assert texts(f"<text:p>before</text:p>{lists}<text:p>after</text:p>") == [
        "before",
        "- a\n- b\nb2\n- x\n- c",
        "after",
    ]


def test_numbered_items_are_counted():
    styles = (
        '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1"/>'
        '<text:list-level-style-bullet text:level="2"/></text:list-style>'
    )
    nested = f"<text:p>b</text:p><text:list>{items('<text:p>x</text:p>')}</text:list>"
    first = f'<text:list text:style-name="L">{items("<text:p>a</text:p>", nested)}</text:list>'
    more = items("<text:p>c</text:p>") + '<text:list-item text:start-value="9"><text:p>d</text:p></text:list-item>'
    again = f'<text:list text:style-name="L" text:continue-numbering="true">{more}</text:list>'
    assert texts(first + again + first, styles) == ["1. a\n2. b\n- x", "3. c\n9. d", "1. a\n2. b\n- x"]


def test_table_rows_are_lines_with_their_cells_apart():
    rows = table("<text:p>a</text:p>|<text:p>b</text:p><text:p>c</text:p>", "<text:p>d</text:p>|")
    assert texts(f"{rows}<text:p>after</text:p>") == ["a | b c\nd |", "after"]


def test_the_head_of_a_table_is_a_row_of_it():
    row = (
        "<table:table-row><table:table-cell><text:p>{}</text:p></table:table-cell><table:table-cell/></table:table-row>"
    )
    head = f"<table:table-header-rows>{row.format('head')}</table:table-header-rows>"
    assert texts(f"<table:table>{head}{row.format('body')}</table:table>") == ["head |\nbody |"]


def test_a_table_that_arranges_the_page_is_no_table():
    assert passages(table("<text:h>A</text:h>|<text:p>b</text:p>")) == [("A", "A"), ("b", "A")]
    assert texts(table("<text:p>a</text:p>", "<text:p>b</text:p>")) == ["a", "b"]


def test_notes_and_text_boxes_stand_behind_their_paragraph():
    body = "<text:note-citation>1</text:note-citation><text:note-body><text:p>note</text:p></text:note-body>"
    note = f"<text:note>{body}</text:note>"
    box = "<draw:frame><draw:text-box><text:p>box</text:p></draw:text-box></draw:frame>"
    assert texts(f"<text:p>a{note}b{box}c</text:p><text:p>next</text:p>") == ["abc", "note", "box", "next"]


def test_comments_deleted_text_and_indexes_are_left_out():
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        "<text:table-of-content><text:index-body><text:p>A 3</text:p></text:index-body></text:table-of-content>"
        "<text:p>a<office:annotation><text:p>comment</text:p></office:annotation>b</text:p>"
    )
    assert texts(body) == ["ab"]


def test_the_title_is_that_of_the_properties():
    meta = '<m xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A\ntitle</dc:title></m>'
    assert extract(written("", meta=meta), "file.odt").title == "A title"
    assert extract(written("", meta="<m/>"), "file.odt").title == "file"


def test_an_encrypted_file_is_reported():
    manifest = "<m><file-entry><encryption-data/></file-entry></m>"
    data = zipped({"META-INF/manifest.xml": manifest, "content.xml": b"\x00\x01"})
    with pytest.raises(Encrypted, match="only with a password"):
        extract(data, "a.odt")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"plain text", "it is no zip archive"),
        (zipped({"a": "b"}), r"its part content.xml is missing"),
        (zipped({"content.xml": "<a"}), r"its part content.xml is no XML"),
        (zipped({"content.xml": "<a><body><spreadsheet/></body></a>"}), "it holds no text document"),
        (written('<text:h text:outline-level="x">A</text:h>'), "invalid literal for int"),
        (written("", styles="no XML <"), r"its part content.xml is no XML"),
    ],
)
def test_damage_is_reported(data: bytes, reason: str):
    with pytest.raises(Damaged, match=reason):
        extract(data, "a.odt")


def test_any_change_of_a_file_is_read_or_refused():
    assert_read_or_refused(extract, written("<text:p>text</text:p>", meta="<a/>"), "a.odt")
