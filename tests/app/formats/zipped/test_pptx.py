import pytest

from app.formats.errors import Damaged
from app.formats.zipped.pptx import extract
from tests.app.formats.damaging import assert_read_or_refused
from tests.app.formats.zipped.zip_writer import zipped

KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMESPACES = f'xmlns:p="urn:p" xmlns:a="urn:a" xmlns:r="{KINDS}"'


def relationships(**targets: str) -> str:
    """Of this package: each id with its kind and target, such as r1="slide slides/slide1.xml"."""
    entries = "".join(
        f'<Relationship Id="{key}" Type="{KINDS}/{value.split()[0]}" Target="{value.split()[1]}"/>'
        for key, value in targets.items()
    )
    return f"<Relationships>{entries}</Relationships>"


def lines(*texts: str) -> str:
    return "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in texts)


def shape(*texts: str, kind: str | None = None) -> str:
    place = f'<p:ph type="{kind}"/>' if kind else ""
    return f"<p:sp><p:nvSpPr><p:nvPr>{place}</p:nvPr></p:nvSpPr><p:txBody>{lines(*texts)}</p:txBody></p:sp>"


def written(*slides: str, order: list[int] | None = None, **more: str) -> bytes:
    """A presentation of these slides; `more` are parts by their paths."""
    ids = "".join(f'<p:sldId id="{256 + index}" r:id="r{index}"/>' for index in order or range(len(slides)))
    members = {
        "_rels/.rels": relationships(r="officeDocument ppt/presentation.xml"),
        "ppt/presentation.xml": f"<p:presentation {NAMESPACES}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relationships(
            **{f"r{index}": f"slide slides/slide{index}.xml" for index in range(len(slides))}
        ),
    }
    for index, slide in enumerate(slides):
        members[f"ppt/slides/slide{index}.xml"] = f"<p:sld {NAMESPACES}><p:spTree>{slide}</p:spTree></p:sld>"
    return zipped(members | more)


def passages(data: bytes) -> list[tuple[int | None, str | None, str]]:
    document = extract(data, "a.pptx")
    return [
        (passage.page, passage.heading, document.text[passage.start : passage.end]) for passage in document.passages
    ]


def texts(*slides: str) -> list[str]:
    return [text for _, _, text in passages(written(*slides))]


def test_each_slide_is_a_page_under_its_title():
    first = shape("one", "two") + shape("Title\nA", kind="ctrTitle")
    assert passages(written(first, shape("untitled"), shape("B", kind="title"))) == [
        (1, "Title A", "Title A"),
        (1, "Title A", "one\ntwo"),
        (2, None, "untitled"),
        (3, "B", "B"),
    ]


def test_slides_come_in_the_order_of_the_presentation():
    slides = [shape("a"), shape("b"), shape("c")]
    assert [(page, text) for page, _, text in passages(written(*slides, order=[2, 0, 1]))] == [
        (1, "c"),
        (2, "a"),
        (3, "b"),
    ]


def test_shapes_in_groups_are_read_and_older_twins_are_not():
    group = f"<p:grpSp><p:grpSp>{shape('inner')}</p:grpSp>{shape('outer')}</p:grpSp>"
    twins = f"<m:x xmlns:m='urn:m'><m:Choice>{shape('new')}</m:Choice><m:Fallback>{shape('old')}</m:Fallback></m:x>"
    assert texts(group + twins) == ["inner", "outer", "new"]


def test_numbers_dates_and_footers_are_left_out():
    assert texts("".join(shape("x", kind=kind) for kind in ("sldNum", "dt", "ftr")) + shape("text")) == ["text"]


def test_fields_and_line_ends_are_read():
    runs = "<a:p><a:r><a:t>a</a:t></a:r><a:br/><a:fld><a:t>b</a:t></a:fld></a:p>"
    assert texts(f"<p:sp><p:txBody>{runs}</p:txBody></p:sp>") == ["a\nb"]


def test_table_rows_are_lines_with_their_cells_apart():
    rows = "".join(
        f"<a:tr>{''.join(f'<a:tc><a:txBody>{lines(*cell.split())}</a:txBody></a:tc>' for cell in row)}</a:tr>"
        for row in (["a", "b c"], ["", "d"])
    )
    table = (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{rows}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )
    assert texts(table + shape("after")) == ["a | b c\n| d", "after"]


def test_diagrams_are_read_from_their_own_part():
    frame = '<p:graphicFrame><d:relIds xmlns:d="urn:d" r:dm="x" r:lo="y"/></p:graphicFrame>'
    data = written(
        frame,
        **{
            "ppt/slides/_rels/slide0.xml.rels": relationships(x="diagramData ../diagrams/data1.xml"),
            "ppt/diagrams/data1.xml": f"<d:dataModel xmlns:d='urn:d' {NAMESPACES}>{lines('one', 'two')}</d:dataModel>",
        },
    )
    assert passages(data) == [(1, None, "one\ntwo")]


def test_speaker_notes_stand_behind_the_slide():
    notes = shape("7", kind="sldNum") + shape("say this", kind="body") + shape(kind="sldImg")
    data = written(
        shape("A", kind="title") + shape("text"),
        **{
            "ppt/slides/_rels/slide0.xml.rels": relationships(x="notesSlide ../notesSlides/notesSlide1.xml"),
            "ppt/notesSlides/notesSlide1.xml": f"<p:notes {NAMESPACES}>{notes}</p:notes>",
        },
    )
    assert passages(data) == [(1, "A", "A"), (1, "A", "text"), (1, "A", "say this")]


def test_hidden_slides_are_read():
    hidden = f'<p:sld {NAMESPACES} show="0">{shape("appendix")}</p:sld>'
    assert passages(written("", **{"ppt/slides/slide0.xml": hidden})) == [(1, None, "appendix")]


def test_the_title_is_the_first_of_a_slide():
    properties = {
        "_rels/.rels": relationships(r="officeDocument ppt/presentation.xml", c="core-properties docProps/core.xml"),
        "docProps/core.xml": "<c xmlns:dc='urn:dc'><dc:title>PowerPoint Presentation</dc:title></c>",
    }
    titled = shape("A\n title", kind="title")
    assert extract(written(shape("x"), titled, **properties), "file.pptx").title == "A title"
    assert extract(written(shape("x"), **properties), "file.pptx").title == "PowerPoint Presentation"
    assert extract(written(shape("x")), "file.pptx").title == "file"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"plain text", "it is no zip archive"),
        (written(shape("a"), order=[0, 1]), "it lists a slide that it does not hold"),
        (
            written(shape("a"), **{"ppt/_rels/presentation.xml.rels": relationships(r0="slide gone.xml")}),
            "ppt/gone.xml is missing",
        ),
        (written("<p:sp>"), r"slide0.xml is no XML"),
        (written(**{"ppt/presentation.xml": "<document/>"}), "it holds a document"),
    ],
)
def test_damage_is_reported(data: bytes, reason: str):
    with pytest.raises(Damaged, match=reason):
        extract(data, "a.pptx")


def test_any_change_of_a_file_is_read_or_refused():
    assert_read_or_refused(extract, written(shape("a", kind="title"), shape("b")), "a.pptx")
