import pytest

from app.formats.errors import Damaged, Encrypted
from app.formats.zipped.epub import extract
from tests.app.formats.damaging import assert_read_or_refused
from tests.app.formats.zipped.zip_writer import zipped

CONTAINER = '<container><rootfile full-path="OEBPS/book.opf"/><rootfile full-path="other.opf"/></container>'


def opf(items: str, spine: list[str]) -> str:
    references = "".join(f'<itemref idref="{each}"/>' for each in spine)
    metadata = '<metadata xmlns:dc="urn:dc"><dc:title>A\n book</dc:title><dc:title>second</dc:title></metadata>'
    return f"<package>{metadata}<manifest>{items}</manifest><spine>{references}</spine></package>"


def item(name: str, properties: str = "", kind: str = "application/xhtml+xml") -> str:
    return f'<item id="{name}" href="{name}.xhtml" media-type="{kind}" properties="{properties}"/>'


def written(*chapters: str, **parts: str) -> bytes:
    """A book of these chapters, c0, c1 ... in order; `parts` by their names in META-INF."""
    names = [f"c{index}" for index in range(len(chapters))]
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": opf("".join(map(item, names)), names),
    }
    members |= {f"OEBPS/c{index}.xhtml": chapter for index, chapter in enumerate(chapters)}
    return zipped(members | {f"META-INF/{name}.xml": text for name, text in parts.items()})


def passages(data: bytes) -> list[tuple[str, str | None]]:
    document = extract(data, "a.epub")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def test_chapters_are_read_in_the_order_of_the_spine():
    items = item("a") + item("b") + item("toc", properties="nav") + item("cover", kind="image/svg+xml")
    data = zipped(
        {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": opf(items, ["cover", "toc", "b", "a", "unknown"]),
            "OEBPS/a.xhtml": "<p>a</p>",
            "OEBPS/b.xhtml": "<p>b</p>",
            "OEBPS/toc.xhtml": "<p>contents</p>",
        }
    )
    assert passages(data) == [("b", None), ("a", None)]
    assert extract(data, "a.epub").title == "A book"


def test_headings_go_on_from_chapter_to_chapter():
    data = written("<h1>Part</h1>", "<h2>A</h2><p>one</p>", "<p>two</p>", "<h1>End</h1>")
    assert passages(data) == [
        ("Part", "Part"),
        ("A", "Part > A"),
        ("one", "Part > A"),
        ("two", "Part > A"),
        ("End", "End"),
    ]


def test_elements_closed_at_once_swallow_nothing():
    chapter = (
        "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script src='x'/></head>"
        "<body><p/><p>one<a id='x'/> two<br/>three</p><div class='y' /><p>four</p></body></html>"
    )
    assert passages(written(chapter)) == [("one two\nthree", None), ("four", None)]


def test_notes_and_headers_of_a_book_are_part_of_it():
    chapter = "<body><header><h1>A</h1></header><p>text</p><aside epub:type='footnote'><p>note</p></aside></body>"
    assert [text for text, _ in passages(written(chapter))] == ["A", "text", "note"]


def test_chapters_are_found_below_the_folder_of_the_book():
    items = '<item id="a" href="../te%20xt/a.xhtml#start" media-type="application/xhtml+xml"/>'
    data = zipped(
        {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": opf(items, ["a"]),
            "te xt/a.xhtml": "<p>found</p>",
        }
    )
    assert passages(data) == [("found", None)]


def test_the_title_may_be_missing():
    data = zipped({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": "<package/>"})
    assert extract(data, "file.epub").title == "file"


def encryption(algorithm: str) -> str:
    return f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/></EncryptedData></encryption>'


def test_a_protected_book_is_reported_and_one_with_protected_fonts_is_read():
    aes = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    with pytest.raises(Encrypted, match="protected against copying"):
        extract(written("<p>text</p>", encryption=aes), "a.epub")
    fonts = encryption("http://www.idpf.org/2008/embedding")
    assert passages(written("<p>text</p>", encryption=fonts)) == [("text", None)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"plain text", "it is no zip archive"),
        (zipped({"a": "b"}), r"META-INF/container.xml is missing"),
        (zipped({"META-INF/container.xml": "<a/>"}), "names no book"),
        (zipped({"META-INF/container.xml": CONTAINER}), r"OEBPS/book.opf is missing"),
        (zipped({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": "<a"}), "is no XML"),
        (
            zipped({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf(item("a"), ["a"])}),
            r"OEBPS/a.xhtml is missing",
        ),
    ],
)
def test_damage_is_reported(data: bytes, reason: str):
    with pytest.raises(Damaged, match=reason):
        extract(data, "a.epub")


def test_any_change_of_a_file_is_read_or_refused():
    assert_read_or_refused(extract, written("<h1>A</h1>", "<p>b</p>"), "a.epub")
