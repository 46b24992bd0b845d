from collections.abc import Callable
from itertools import chain
from threading import Thread

import pytest
from pypdfium2.internal.bases import ObjectTracker

from app.formats.errors import Damaged, Encrypted, Scanned, TooLarge, UnreadableDocument
from app.formats.pdf import document as pdf
from app.formats.pdf.document import extract
from tests.app.formats.damaging import assert_read_or_refused
from tests.app.formats.pdf.pdf_writer import PAGE_WIDTH, Entry, Text, lines, write_pdf

# Two columns of some 230 points each, as in a paper.
LEFT, RIGHT = 60, 320
FIRST = (
    "The ferry to Grindlow leaves at seven in the morning,",
    "when the fog has lifted from the harbour and the cap-",
    "tain has had her tea. The crossing takes forty minutes",
    "when the sea is calm, and an hour when it is not calm.",
)
SECOND = (
    "Passengers may not feed the cats, of which there are",
    "two: Biscuit, who sleeps on the chart table, and Bosun,",
    "who does not sleep at all while the ship is under way",
    "and can be heard on every deck until it lies at anchor.",
)
FIRST_TEXT = (
    "The ferry to Grindlow leaves at seven in the morning, when the fog has lifted from the harbour and the captain "
    "has had her tea. The crossing takes forty minutes when the sea is calm, and an hour when it is not calm."
)
SECOND_TEXT = " ".join(SECOND)
TITLE = Text("A voyage by sea to the far side of the bay of Grindlow in all weathers", 80, 720, 14)


def passages(data: bytes) -> list[tuple[int | None, str]]:
    document = extract(data, "a.pdf")
    return [(passage.page, document.text[passage.start : passage.end]) for passage in document.passages]


def texts(*page: Text) -> list[str]:
    return [text for _, text in passages(write_pdf(page))]


def test_pages_are_counted_from_one():
    data = write_pdf([Text("first", 60, 700)], [], [Text("third", 60, 700)])
    assert passages(data) == [(1, "first"), (3, "third")]


def test_lines_of_a_paragraph_are_joined_and_paragraphs_are_not():
    page = [*lines(FIRST, 60, 700), *lines(SECOND, 60, 640)]
    assert texts(*page) == [FIRST_TEXT, SECOND_TEXT]


def test_letters_of_another_size_start_a_paragraph():
    assert texts(Text("Heading", 60, 712, 14), *lines(FIRST, 60, 698)) == ["Heading", FIRST_TEXT]


def test_an_indented_line_starts_a_paragraph():
    page = [*lines(FIRST[:3], 60, 700), Text("Short.", 60, 664), Text(SECOND[0], 75, 652), *lines(SECOND[1:], 60, 640)]
    assert texts(*page) == [FIRST_TEXT.partition(" when the sea")[0] + " Short.", SECOND_TEXT]


def test_hanging_lines_belong_to_the_line_that_hangs_out():
    page = [
        *(Text(FIRST[0], 60, 700), Text(FIRST[1][:-5], 75, 688)),
        *(Text(SECOND[0], 60, 676), Text(SECOND[1], 75, 664)),
    ]
    assert texts(*page) == [f"{FIRST[0]} {FIRST[1][:-5]}", f"{SECOND[0]} {SECOND[1]}"]


def test_two_columns_are_read_one_after_the_other():
    left, right = lines(FIRST * 3, LEFT, 690), lines(SECOND * 3, RIGHT, 690)
    expected = [(FIRST_TEXT + " ") * 3, (SECOND_TEXT + " ") * 3]
    read = texts(TITLE, *left, *right)
    assert read == [TITLE.text, *(text.strip() for text in expected)]
    # In whatever order the file draws them.
    assert texts(*chain.from_iterable(zip(left, right, strict=True)), TITLE) == read
    assert texts(*right, TITLE, *left) == read


def test_columns_need_not_stand_on_the_same_lines():
    read = texts(TITLE, *lines(FIRST * 2, LEFT, 690), *lines(SECOND * 3, RIGHT, 696, step=11.5))
    assert read == [TITLE.text, f"{FIRST_TEXT} {FIRST_TEXT}", " ".join(SECOND * 3)]


def test_what_lies_across_the_columns_divides_the_page():
    caption = "Figure 1: a chart of the bay, on which the way of the ferry is drawn as a dotted line from pier to pier"
    page = [
        *(*lines(FIRST, LEFT, 690), *lines(SECOND, RIGHT, 690)),
        Text(caption, 70, 600),
        *(*lines(SECOND, LEFT, 560), *lines(FIRST, RIGHT, 560)),
    ]
    assert texts(*page) == [FIRST_TEXT, SECOND_TEXT, caption, SECOND_TEXT, FIRST_TEXT]


def test_what_stands_beside_a_title_belongs_to_it():
    page = [TITLE, Text("No. 7", 540, 721), *lines(FIRST, LEFT, 690), *lines(SECOND, RIGHT, 690)]
    assert texts(*page) == [f"{TITLE.text} No. 7", FIRST_TEXT, SECOND_TEXT]


def test_three_columns_are_read_one_after_the_other():
    columns = [
        [f"{name} column of three on the page, {index}" for index in range(6)] for name in ("First", "Second", "Third")
    ]
    page = chain.from_iterable(lines(column, 40 + 190 * index, 700) for index, column in enumerate(columns))
    assert texts(*page) == [" ".join(column) for column in columns]


def test_a_paragraph_goes_on_in_the_next_column_over_a_footnote():
    left = [*lines(FIRST[:1] * 6, LEFT, 690), Text("1 A note about the ferry, in smaller letters.", LEFT, 600, 7)]
    right = lines(["and comes back at eight, if there is no storm, in time", "for breakfast at the pier."], RIGHT, 690)
    whole = (
        f"{' '.join(FIRST[:1] * 6)} and comes back at eight, if there is no storm, in time for breakfast at the pier."
    )
    assert texts(*left, *right) == [whole, left[-1].text]


def test_a_table_is_read_by_rows():
    rows = [
        ("Line", "From", "Minutes"),
        ("North", "Grindlow", "40"),
        ("South", "Eyam", "55"),
        ("West", "Tideswell", "7"),
    ]
    page = [
        Text(cell, 60 + 150 * column, 700 - 14 * row)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    ]
    assert texts(*page) == ["\n".join(" | ".join(cells) for cells in rows)]


def test_a_list_of_names_is_read_with_what_stands_beside_them():
    options = [
        ("--check, -c", "checks the syntax and writes nothing"),
        ("--output=FILE", "writes the result to a file"),
    ]
    page = [
        Text(text, x, 700 - 12 * row)
        for row, pair in enumerate(options * 3)
        for x, text in zip((60, 160), pair, strict=True)
    ]
    assert texts(*page) == ["\n".join(" | ".join(pair) for pair in options * 3)]


def test_a_table_beside_a_column_is_no_part_of_it():
    table = [Text(cell, LEFT + 90 * column, 690 - 14 * row) for row in range(4) for column, cell in enumerate("abc")]
    assert texts(*table, *lines(SECOND * 3, RIGHT, 690)) == ["\n".join(["a | b | c"] * 4), " ".join(SECOND * 3)]


def test_words_broken_at_line_ends_are_made_whole():
    page = [
        *lines(
            ["The ship is well-known on the coast, and its cap-", "tain too is of a well-", "known family: Jean-"],
            60,
            700,
        ),
        *lines(["Pierre of the state-of-", "the-art pier, COVID-", "19 year"], 60, 664),
    ]
    assert " ".join(texts(*page)).replace("\n", " ") == (
        "The ship is well-known on the coast, and its captain too is of a well-known family: "
        "Jean-Pierre of the state-of-the-art pier, COVID-19 year"
    )


def test_lines_that_were_ended_on_purpose_stay_lines():
    page = [*lines(FIRST, 60, 700), *lines(["in it.", "Harbour Road 3", "Grindlow"], 60, 652)]
    assert texts(*page) == [f"{FIRST_TEXT} in it.\nHarbour Road 3\nGrindlow"]


def test_list_items_are_lines():
    page = [
        *(Text("\u2022", 60, 700), Text("first item of the list, with words enough for two", 80, 700)),
        Text("lines", 80, 688),
        *(Text("2.", 60, 676), Text("second item", 80, 676)),
    ]
    assert texts(*page) == ["\u2022 first item of the list, with words enough for two lines\n2. second item"]


def test_leaders_are_shortened():
    assert texts(Text("Contents ........................ 3", 60, 700)) == ["Contents ... 3"]


def test_running_headers_and_page_numbers_are_left_out():
    pages = [
        [Text("The Bay", 60, 760), Text(f"chapter {index}", 60, 700), Text(f"- {index + 1} -", 300, 30)]
        for index in range(4)
    ]
    # The header once, since it may say what nothing else says.
    assert passages(write_pdf(*pages)) == [
        (1, "The Bay"),
        (1, "chapter 0"),
        (2, "chapter 1"),
        (3, "chapter 2"),
        (4, "chapter 3"),
    ]


def test_what_two_pages_repeat_is_kept():
    pages = [[Text("The Bay", 60, 760), Text("text", 60, 700)]] * 2
    assert [text for _, text in passages(write_pdf(*pages))] == ["The Bay", "text"] * 2


def test_page_numbers_may_be_roman_or_stand_beside_words():
    first = [[Text("text", 60, 400), Text(number, 300, 30)] for number in ("iii", "iv", "v")]
    then = [[Text("text", 60, 400), Text("The Bay", 60, 30), Text(str(number), 500, 30)] for number in (7, 8, 9)]
    assert [text for _, text in passages(write_pdf(*first, *then))] == [*["text"] * 4, "The Bay 7", *["text"] * 2]


@pytest.mark.parametrize(
    "repeated",
    [
        # Inside of a line that differs, or outside of the margins.
        lambda index: [Text("abcd"[index] * 9, 60, 770), Text("Odd", 60, 755)],
        lambda index: [Text("Odd", 60, 600)],
        # A title.
        lambda index: [Text("Odd", 60, 760, 14), *lines(FIRST, 60, 700)],
        # At other heights.
        lambda index: [Text("Odd", 60, 730 + 10 * index)],
        # Numbers that do not count pages.
        lambda index: [Text(f"Odd {index * index}", 60, 760)],
    ],
)
def test_what_only_looks_like_furniture_is_kept(repeated: Callable[[int], list[Text]]):
    pages = [[*repeated(index), Text("text", 60, 300)] for index in range(4)]
    assert sum("Odd" in text for _, text in passages(write_pdf(*pages))) == 4


def test_the_outline_makes_the_breadcrumb():
    outline = [
        Entry("1 Sea", 0, [Entry("1.1 Fog", 0), Entry("1.2 Calm and storm", 1)]),
        Entry("Appendices", None, [Entry("Worded otherwise", 2)]),
    ]
    pages = [
        [Text("before", 60, 740), Text("1. Sea", 60, 700), Text("1.1 Fog", 60, 660), Text("in fog", 60, 620)],
        [Text("still fog", 60, 740), Text("1.2 Calm and storm", 60, 700), Text("in storm", 60, 660)],
        [Text("the end", 60, 740)],
    ]
    document = extract(write_pdf(*pages, outline=outline), "a.pdf")
    assert [(document.text[each.start : each.end], each.heading) for each in document.passages] == [
        ("before", None),
        ("1. Sea", "1 Sea"),
        ("1.1 Fog", "1 Sea > 1.1 Fog"),
        ("in fog", "1 Sea > 1.1 Fog"),
        ("still fog", "1 Sea > 1.1 Fog"),
        ("1.2 Calm and storm", "1 Sea > 1.2 Calm and storm"),
        ("in storm", "1 Sea > 1.2 Calm and storm"),
        ("the end", "Appendices > Worded otherwise"),
    ]


def test_a_heading_of_an_empty_page_holds_for_the_next():
    document = extract(write_pdf([], [Text("text", 60, 700)], outline=[Entry("A", 0)]), "a.pdf")
    assert [each.heading for each in document.passages] == ["A"]


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("The bay", "The bay"),
        (None, "file"),
        ("", "file"),
        ("untitled", "file"),
        ("Microsoft Word - bay.doc", "file"),
        ("bay.tex", "file"),
    ],
)
def test_the_title_is_that_of_the_properties_unless_a_program_made_it_up(given: str | None, title: str):
    assert extract(write_pdf([Text("x", 60, 700)], title=given), "file.pdf").title == title


@pytest.mark.parametrize(
    ("degrees", "along", "down"),
    [(0, (1, 0), (0, -1)), (90, (0, 1), (1, 0)), (180, (-1, 0), (0, 1)), (270, (0, -1), (-1, 0))],
)
def test_text_in_every_direction_is_read(degrees: int, along: tuple[int, int], down: tuple[int, int]):
    def place(text: str, column: int, row: int) -> Text:
        x, y = (300 + along[axis] * 90 * column + down[axis] * 14 * row for axis in (0, 1))
        return Text(text, x, y, degrees=degrees)

    assert texts(place("d", 1, 1), place("b", 1, 0), place("c", 0, 1), place("a", 0, 0)) == ["a | b\nc | d"]


def test_a_stamp_in_the_margin_stands_behind_the_page():
    assert texts(Text("arXiv:1", 20, 300, degrees=90), *lines(FIRST, 60, 700)) == [FIRST_TEXT, "arXiv:1"]


def test_watermarks_and_what_lies_beside_the_page_are_left_out():
    page = [Text("DRAFT", 200, 300, 60, degrees=45), Text("gone", 700, 400), Text("text", 60, 700)]
    assert texts(*page) == ["text"]
    (cut,) = texts(Text("abcdefghijklmnopqrstuvwxyz", PAGE_WIDTH - 50, 400))
    assert cut == "abcdefghijklmnopqrstuvwxyz"[: len(cut)]
    assert 5 < len(cut) < 15


def test_characters_without_a_meaning_are_left_out():
    assert texts(Text("a\x01b \x02 c", 60, 700)) in (["ab c"], ["ab - c"])


def test_a_file_may_begin_with_something_else():
    data = write_pdf([Text("text", 60, 700)])
    assert passages(b"mail header\n" + data) == [(1, "text")]
    with pytest.raises(Damaged, match=r"^a.pdf is no PDF file: its first 1,024 bytes hold no %PDF-$"):
        extract(bytes(1024) + data, "a.pdf")


def test_an_encrypted_file_is_reported():
    with pytest.raises(Encrypted, match=r"^a.pdf is encrypted: it opens only with a password$"):
        extract(write_pdf([Text("text", 60, 700)], encrypted=True), "a.pdf")


def test_a_scanned_file_is_reported():
    with pytest.raises(Scanned, match=r"^a.pdf is scanned: its pages are images without text$"):
        extract(write_pdf([], [], image=True), "a.pdf")
    assert passages(write_pdf([Text("read by a machine", 60, 700)], [], image=True)) == [(1, "read by a machine")]


def test_a_file_without_text_and_images_has_no_passages():
    assert passages(write_pdf([])) == []


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf, "MAX_NUM_PAGES", 2)
    with pytest.raises(TooLarge, match=r"^a.pdf has 3 pages, more than the limit of 2$"):
        extract(write_pdf([], [], []), "a.pdf")


def test_too_much_text_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf, "MAX_NUM_CHARS", 10)
    with pytest.raises(TooLarge, match="more text than the limit of 10 characters"):
        extract(write_pdf([Text("twelve chars", 60, 700)]), "a.pdf")


@pytest.mark.parametrize("data", [b"%PDF-1.7", b"%PDF-1.7\n" + bytes(range(256)) * 50, write_pdf()])
def test_damage_is_reported(data: bytes):
    with pytest.raises(Damaged, match=r"is damaged: (the list of its pages cannot be read|it has no pages)"):
        extract(data, "a.pdf")


def test_any_change_of_a_file_is_read_or_refused():
    outline = [Entry("A", 0, [Entry("B", 1)])]
    assert_read_or_refused(extract, write_pdf(lines(FIRST, 60, 700), lines(SECOND, 60, 700), outline=outline), "a.pdf")


def test_everything_native_is_closed_whatever_happens():
    extract(write_pdf([Text("text", 60, 700)], outline=[Entry("A", 0)]), "a.pdf")
    for data in (write_pdf([], image=True), write_pdf(), write_pdf([], encrypted=True)):
        with pytest.raises(UnreadableDocument):
            extract(data, "a.pdf")
    assert [kind for kind, found in ObjectTracker.items() if found] == []


def test_threads_may_read_at_the_same_time():
    # pdfium by itself crashes here, every third time.
    data = write_pdf(*([lines(FIRST * 4, 60, 700)] * 5))
    found: list[int] = []
    threads = [Thread(target=lambda: found.extend(len(passages(data)) for _ in range(4))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [5] * 32
