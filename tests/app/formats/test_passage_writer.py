import pytest

from app.formats import passage_writer
from app.formats.errors import TooLarge
from app.formats.extracted import ExtractedDocument
from app.formats.passage_writer import PassageWriter


def texts(document: ExtractedDocument) -> list[str]:
    return [document.text[passage.start : passage.end] for passage in document.passages]


def test_passages_are_apart_by_an_empty_line_and_know_their_page_and_section():
    writer = PassageWriter("a.pdf")
    writer.page = 1
    writer.heading(1, "Top")
    writer.page = 2
    writer.paragraph("text")
    document = writer.document("title")
    assert (document.title, document.text) == ("title", "Top\n\ntext")
    assert [(passage.page, passage.heading) for passage in document.passages] == [(1, "Top"), (2, "Top")]
    assert texts(document) == ["Top", "text"]


def test_lines_that_follow_each_other_are_one_passage():
    writer = PassageWriter("a.docx")
    writer.line("- a")
    writer.line("- b")
    writer.end_lines()
    writer.row(["", "x"])
    writer.row(["y", "z"])
    writer.paragraph("end")
    assert texts(writer.document("")) == ["- a\n- b", "| x\ny | z", "end"]


def test_a_new_section_ends_the_lines_of_the_one_before():
    writer = PassageWriter("a.docx")
    writer.enter(1, "A")
    writer.line("- a")
    writer.enter(1, "B")
    document = writer.document("")
    assert [passage.heading for passage in document.passages] == ["A"]


def test_notes_stand_behind_what_they_belong_to():
    writer = PassageWriter("a.docx")
    writer.paragraph("text")
    writer.note("to the text")
    writer.line("- a")
    writer.note("to a")
    writer.line("- b")
    writer.paragraph("end")
    assert texts(writer.document("")) == ["text", "to the text", "- a\n- b", "to a", "end"]


def test_what_is_blank_is_left_out():
    writer = PassageWriter("a.docx")
    writer.paragraph(" \n")
    writer.line("")
    writer.row(["", ""])
    writer.note("")
    assert writer.document("").text == ""
    assert writer.num_passages == 0


def test_a_document_may_not_grow_without_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passage_writer, "MAX_NUM_CHARS", 10)
    writer = PassageWriter("a.docx")
    writer.paragraph("12345")
    writer.paragraph("678")
    with pytest.raises(TooLarge, match=r"^a.docx holds more text than the limit of 10 characters$"):
        writer.paragraph("9")
