from collections.abc import Callable
from io import BytesIO

import docx
import pytest
from docx.document import Document

from app.formats.errors import Damaged, Encrypted
from app.formats.zipped.docx import extract
from tests.app.formats.damaging import assert_read_or_refused
from tests.app.formats.zipped.zip_writer import replaced, zipped

RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_KINDS = "http://purl.oclc.org/ooxml/officeDocument/relationships"
STRICT_WORD = "http://purl.oclc.org/ooxml/wordprocessingml/main"


def written(write: Callable[[Document], object]) -> bytes:
    """A file as python-docx writes it, after its template."""
    document = docx.Document()
    write(document)
    buffer = BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def relationships(*targets: tuple[str, str]) -> str:
    entries = "".join(
        f'<Relationship Id="r{index}" Type="{KINDS}/{kind}" Target="{target}"/>'
        for index, (kind, target) in enumerate(targets)
    )
    return f'<Relationships xmlns="{RELATIONSHIPS}">{entries}</Relationships>'


def minimal(body: str, **parts: str) -> bytes:
    """A file with this body and no more than these other parts, such as styles="<w:style .../>"."""
    members = {
        "_rels/.rels": relationships(("officeDocument", "word/document.xml")),
        "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        "word/_rels/document.xml.rels": relationships(*((kind, f"{kind}.xml") for kind in parts)),
    }
    members |= {f"word/{kind}.xml": f'<w:{kind} xmlns:w="{WORD}">{xml}</w:{kind}>' for kind, xml in parts.items()}
    return zipped(members)


def passages(data: bytes) -> list[tuple[str, str | None]]:
    document = extract(data, "a.docx")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def texts(data: bytes) -> list[str]:
    return [text for text, _ in passages(data)]


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_headings_make_the_breadcrumb():
    def write(document: Document) -> None:
        document.add_heading("Guide", 1)
        document.add_heading("Install", 2)
        document.add_paragraph("Run it.")
        document.add_heading("Use", 2)
        document.add_paragraph("Use it.")

    assert passages(written(write)) == [
        ("Guide", "Guide"),
        ("Install", "Guide > Install"),
        ("Run it.", "Guide > Install"),
        ("Use", "Guide > Use"),
        ("Use it.", "Guide > Use"),
    ]


def test_a_style_takes_its_level_from_the_one_it_builds_on():
    styles = (
        '<w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift1"/></w:style>'
        '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>'
    )
    body = paragraph("A", '<w:pStyle w:val="Mine"/>') + paragraph("loop", '<w:pStyle w:val="Loop"/>')
    own = paragraph("no", '<w:pStyle w:val="Mine"/><w:outlineLvl w:val="9"/>')
    assert passages(minimal(body + own, styles=styles)) == [("A", "A"), ("loop", "A"), ("no", "A")]


def test_an_outline_level_makes_a_heading_without_a_style():
    body = paragraph("A", '<w:outlineLvl w:val="0"/>') + paragraph("B", '<w:outlineLvl w:val="1"/>')
    assert passages(minimal(body)) == [("A", "A"), ("B", "A > B")]


def test_list_items_are_lines_of_one_passage():
    def write(document: Document) -> None:
        document.add_paragraph("before")
        document.add_paragraph("a", "List Bullet")
        document.add_paragraph("b", "List Bullet")
        document.add_paragraph("after")

    assert texts(written(write)) == ["before", "- a\n- b", "after"]


def test_numbered_items_are_counted_by_list_and_depth():
    numbering = (
        '<w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/></w:lvl>'
        '<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/></w:lvl>'
        '<w:lvl w:ilvl="2"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
        '<w:num w:numId="2"><w:abstractNumId w:val="7"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
    )

    def item(text: str, list_id: int, depth: int) -> str:
        return paragraph(text, f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{list_id}"/></w:numPr>')

    body = item("a", 1, 0) + item("b", 1, 1) + item("c", 1, 1) + item("d", 1, 2) + item("e", 1, 0) + item("f", 1, 1)
    assert texts(minimal(body, numbering=numbering)) == ["3. a\n1. b\n2. c\n- d\n4. e\n1. f"]
    # Another list of the kind goes on counting, unless it says where it starts.
    assert texts(minimal(item("a", 1, 0) + item("b", 2, 0) + item("c", 1, 0), numbering=numbering)) == [
        "3. a\n1. b\n2. c"
    ]
    assert texts(minimal(item("a", 0, 0))) == ["a"]


def test_table_rows_are_lines_with_their_cells_apart():
    def write(document: Document) -> None:
        table = document.add_table(2, 2)
        for cell, text in zip([cell for row in table.rows for cell in row.cells], "abcd", strict=True):
            cell.text = text
        table.cell(1, 1).add_paragraph("more")
        document.add_paragraph("after")

    assert texts(written(write)) == ["a | b\nc | d more", "after"]


def test_a_table_that_arranges_the_page_is_no_table():
    def write(document: Document) -> None:
        cell = document.add_table(1, 2).cell(0, 0)
        cell.text = "one"
        cell.add_table(1, 2).cell(0, 1).text = "inner"
        document.add_table(2, 1).cell(1, 0).text = "single column"

    assert texts(written(write)) == ["one", "| inner", "single column"]


def test_notes_stand_behind_their_paragraph():
    references = '<w:footnoteReference w:id="2"/><w:endnoteReference w:id="2"/>'
    frame = '<w:footnote w:id="2" w:type="separator"><w:p/></w:footnote>'
    footnote = f'<w:footnote w:id="2">{paragraph("foot")}{paragraph("note")}</w:footnote>'
    data = minimal(
        f"<w:p><w:r><w:t>text</w:t>{references}</w:r></w:p>{paragraph('next')}",
        footnotes=frame + footnote,
        endnotes=f'<w:endnote w:id="2">{paragraph("endnote")}</w:endnote>',
    )
    assert texts(data) == ["text", "foot note", "endnote", "next"]


def test_page_headers_and_footers_are_left_out():
    def write(document: Document) -> None:
        document.sections[0].header.paragraphs[0].text = "header"
        document.sections[0].footer.paragraphs[0].text = "footer"
        document.add_paragraph("text")

    assert texts(written(write)) == ["text"]


def test_revisions_and_content_controls_are_read_as_accepted():
    runs = (
        "<w:r><w:t>a</w:t></w:r><w:ins><w:r><w:t>b</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>x</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>y</w:t></w:r></w:moveFrom>"
        "<w:sdt><w:sdtContent><w:r><w:t>c</w:t></w:r></w:sdtContent></w:sdt>"
        '<w:hyperlink><w:r><w:t xml:space="preserve"> d</w:t></w:r></w:hyperlink>'
        "<w:r><w:instrText>PAGE</w:instrText><w:tab/><w:t>e</w:t><w:br/><w:t>f</w:t><w:noBreakHyphen/><w:t>g</w:t></w:r>"
    )
    body = f"<w:sdt><w:sdtContent><w:p>{runs}</w:p></w:sdtContent></w:sdt>"
    assert texts(minimal(body)) == ["abc d e\nf-g"]


def test_a_text_box_stands_beside_its_paragraph_once():
    def drawing(text: str) -> str:
        return f"<w:txbxContent>{paragraph(text)}</w:txbxContent>"

    # Word writes each drawing twice: for itself, and for its older versions.
    choice = f"<w:AlternateContent><w:Choice>{drawing('box')}</w:Choice><w:Fallback>{drawing('box')}</w:Fallback>"
    run = f"<w:r>{choice}</w:AlternateContent></w:r>"
    cell = f"<w:tbl><w:tr><w:tc><w:p>{run}</w:p></w:tc><w:tc>{paragraph('cell')}</w:tc></w:tr></w:tbl>"
    assert texts(minimal(f"<w:p><w:r><w:t>text</w:t></w:r>{run}</w:p>")) == ["text", "box"]
    assert texts(minimal(cell)) == ["| cell", "box"]


def test_a_table_of_contents_is_left_out():
    styles = '<w:style w:styleId="Verzeichnis1"><w:name w:val="toc 1"/></w:style>'
    body = paragraph("A ... 3", '<w:pStyle w:val="Verzeichnis1"/>') + paragraph("text")
    assert texts(minimal(body, styles=styles)) == ["text"]


def test_the_title_is_the_best_that_the_file_has():
    def with_title(document: Document) -> None:
        document.add_heading("On the page", 0)

    def with_both(document: Document) -> None:
        with_title(document)
        document.core_properties.title = "In the\nproperties"

    assert extract(written(with_both), "file.docx").title == "In the properties"
    assert extract(written(with_title), "file.docx").title == "On the page"
    assert extract(minimal(paragraph("text")), "file.docx").title == "file"


def test_a_file_in_the_strict_dialect_is_read():
    strict = replaced(minimal(paragraph("A", '<w:outlineLvl w:val="0"/>')), WORD, STRICT_WORD)
    assert passages(replaced(strict, KINDS, STRICT_KINDS)) == [("A", "A")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"plain text", "is damaged: it is no zip archive"),
        (zipped({"a": "b"}), "is damaged: it is a zip archive, but no office file"),
        (zipped({"_rels/.rels": relationships(("officeDocument", "gone.xml"))}), "but no office file"),
        (zipped({"_rels/.rels": "no XML"}), r"part _rels/.rels is no XML"),
        (
            zipped({"_rels/.rels": relationships(("officeDocument", "a.xml")), "a.xml": "<presentation/>"}),
            "is something else than its suffix says: it holds a presentation",
        ),
        (minimal("<w:p>"), "part word/document.xml is no XML"),
        (minimal(paragraph("a", '<w:outlineLvl w:val="x"/>')), "is damaged: invalid literal for int"),
        (minimal("<w:tbl>" * 300), "is no XML"),
    ],
)
def test_damage_is_reported(data: bytes, reason: str):
    with pytest.raises(Damaged, match=reason):
        extract(data, "a.docx")


def test_an_encrypted_file_is_reported():
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(Encrypted, match="only with a password"):
        extract(data, "a.docx")


def test_any_change_of_a_file_is_read_or_refused():
    assert_read_or_refused(extract, written(lambda document: document.add_heading("text")), "a.docx")
