"""PDF files: paragraphs in reading order, each with its page, under the headings of the file's outline.

Columns are read one after the other, words broken at line ends are made whole, running headers and footers are left
out. No heading is guessed from its looks: without an outline there are none. Comments, forms and attached files are
not read.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import PurePath
from threading import Lock

import pypdfium2.raw as pdfium
from pypdfium2 import PdfDocument, PdfiumError, PdfPage

from app.formats.damage import reported_damage
from app.formats.errors import Damaged, Encrypted, Scanned, TooLarge
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter
from app.formats.pdf.columns import blocks
from app.formats.pdf.fragments import Fragment, Layer, layers, readable
from app.formats.pdf.furniture import without_furniture
from app.formats.pdf.outline import Entry, places
from app.formats.pdf.paragraphs import compounds_in, joined, paragraphs
from app.formats.pdf.rows import rows_of
from app.formats.registry import MAX_NUM_CHARS

# The standard of the format has 1,000 pages; the longest law books and catalogues stay below ten times as many.
MAX_NUM_PAGES = 10_000

# Viewers accept a file that begins with something else (a mail header, a printer's command) when the mark is near.
_MARK = b"%PDF-"
_MARK_NUM_BYTES = 1024

# Books have some hundred headings; a damaged outline may run in circles.
_MAX_NUM_ENTRIES = 5000

# Pages that are searched for images when there is no text.
_NUM_SAMPLED_PAGES = 20

# What programs fill in for a title when nobody gave one.
_NO_TITLE = re.compile(
    r"(?:untitled.*|slide \d+|powerpoint presentation|microsoft \w+ - .*|.*\.(?:docx?|rtf|tex|dvi|p?html?|indd|qxd"
    r"|pptx?|xlsx?|pdf|ps))?",
    re.IGNORECASE,
)

# pdfium keeps its state for the whole process, and may be used by one thread at a time.
_PDFIUM = Lock()

_NO_TEXT = Layer([], 0.0, 0.0)

_Page = list[Layer]
"""The text of a page, in the direction of most of it first."""


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises Damaged, Encrypted, Scanned or TooLarge.

    The title is that of the file's properties, unless a program made it up, else the file name without its suffix.
    """
    with reported_damage(name):
        with _PDFIUM, _opened(data, name) as document:
            pages = _read_pages(document, name)
            entries = _outline(document)
            title = _title(document)
            if not any(pages) and _shows_images(document):
                raise Scanned(name, "is scanned: its pages are images without text")
        writer = PassageWriter(name)
        _write(pages, entries, writer)
        return writer.document(title or PurePath(name).stem)


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[PdfDocument]:
    # pdfium would search the whole file for the mark.
    if _MARK not in data[:_MARK_NUM_BYTES]:
        raise Damaged(name, f"is no PDF file: its first {_MARK_NUM_BYTES:,} bytes hold no {_MARK.decode()}")
    # By hand, since PdfDocument does not close a file that it finds to have no pages.
    handle = pdfium.FPDF_LoadMemDocument64(data, len(data), None)
    if not handle:
        match pdfium.FPDF_GetLastError():
            case pdfium.FPDF_ERR_PASSWORD:
                raise Encrypted(name, "is encrypted: it opens only with a password")
            case pdfium.FPDF_ERR_SECURITY:
                raise Encrypted(name, "is encrypted in a way that only some programs know")
            case _:
                raise Damaged(name, "is damaged: the list of its pages cannot be read")
    with PdfDocument(handle) as document:
        yield document


def _read_pages(document: PdfDocument, name: str) -> list[_Page]:
    num_pages = len(document)
    if num_pages == 0:
        raise Damaged(name, "is damaged: it has no pages")
    if num_pages > MAX_NUM_PAGES:
        raise TooLarge(name, f"has {num_pages:,} pages, more than the limit of {MAX_NUM_PAGES:,}")
    pages: list[_Page] = []
    num_chars = 0
    for index in range(num_pages):
        with _page(document, index, name) as page, closing(page.get_textpage()) as text:
            num_chars += text.count_chars()
            if num_chars > MAX_NUM_CHARS:
                raise TooLarge(name, f"holds more text than the limit of {MAX_NUM_CHARS:,} characters")
            pages.append(layers(text, page.get_bbox()))
    return pages


def _page(document: PdfDocument, index: int, name: str) -> closing[PdfPage]:
    try:
        return closing(document[index])
    except PdfiumError as error:
        raise Damaged(name, f"is damaged: its page {index + 1} cannot be loaded") from error


def _shows_images(document: PdfDocument) -> bool:
    """Whether one of the first pages holds an image."""
    for index in range(min(len(document), _NUM_SAMPLED_PAGES)):
        with closing(document[index]) as page:
            if any(page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE])):
                return True
    return False


def _title(document: PdfDocument) -> str:
    title = one_line(readable(_decoded(lambda: document.get_metadata_value("Title"))))
    return "" if _NO_TITLE.fullmatch(title) else title


def _decoded(read: Callable[[], str]) -> str:
    """What pdfium says; the empty string where that is no text."""
    try:
        return read()
    except UnicodeDecodeError:
        return ""


def _outline(document: PdfDocument) -> dict[int, list[Entry]]:
    """The headings of the outline by the index of the page they begin on."""
    entries: dict[int, list[Entry]] = defaultdict(list)
    # Headings that only group others lead nowhere: they begin where the next one does.
    waiting: list[Entry] = []
    for bookmark in islice(document.get_toc(), _MAX_NUM_ENTRIES):
        waiting.append(Entry(bookmark.level + 1, readable(_decoded(bookmark.get_title))))
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        if index is not None:
            entries[index] += waiting
            waiting = []
    return entries


def _write(pages: list[_Page], entries: dict[int, list[Entry]], writer: PassageWriter) -> None:
    main = without_furniture([page[0] if page else _NO_TEXT for page in pages])
    compounds = {word for page in main for fragment in page.fragments for word in compounds_in(fragment.text)}
    for index, (page, cleared) in enumerate(zip(pages, main, strict=True)):
        writer.page = index + 1
        parts = [cleared.fragments, *(layer.fragments for layer in page[1:])]
        body = [text for part in parts for text in _paragraphs(part, compounds)]
        texts = [*cleared.top, *body, *cleared.bottom]
        headings = entries.get(index, [])
        _write_page(texts, list(zip(places(headings, texts), headings, strict=True)), writer)


def _paragraphs(part: list[Fragment], compounds: set[str]) -> list[str]:
    columns = [paragraphs(rows_of(block), compounds) for block in blocks(part)]
    return [paragraph.text for paragraph in joined(columns, compounds)]


def _write_page(texts: list[str], headings: list[tuple[int, Entry]], writer: PassageWriter) -> None:
    for index in range(max(1, len(texts))):
        for place, heading in headings:
            if place == index:
                writer.enter(heading.level, heading.title)
        writer.paragraph(texts[index] if texts else "")
