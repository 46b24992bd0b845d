"""Word files (docx): headings by style and outline level, lists, tables, and notes behind what they belong to.

List items are lines ("- item", "1. item"), table rows too ("cell | cell"). Left out are page headers and footers,
comments, deleted text, and tables of contents. Pages are not numbered: where they end is the printer's business.

The XML is read as it is. python-docx would hide text inside content controls and revisions, unpacks an archive
without limits, looks up the style of each paragraph by a search, and refuses docm.
"""

from collections.abc import Iterator
from pathlib import PurePath

from app.formats.damage import reported_damage
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter
from app.formats.zipped.docx_styles import Lists, Styles
from app.formats.zipped.inline import Inline
from app.formats.zipped.office_package import OfficePackage
from app.formats.zipped.xml_parts import Element, attribute, child, children, descendants, local_name

# Blocks that only wrap others: content controls, inserted and moved text, smart tags, other people's XML.
_WRAPPERS = frozenset(["sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag", "AlternateContent", "Choice"])

# What is not read inside a paragraph: properties, deleted and moved text, the older twin of a drawing, the reading
# aid above a word, field codes; and text boxes, which are no part of its sentences.
_CLOSED = frozenset(["pPr", "rPr", "sdtPr", "del", "moveFrom", "Fallback", "rt", "instrText", "delText", "txbxContent"])

_CHARACTERS = {"tab": " ", "ptab": " ", "noBreakHyphen": "-"}

# Word's own footnotes: the rule above them, and the remark that they go on.
_NOTE_FRAMES = {"separator", "continuationSeparator", "continuationNotice"}


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises Damaged, Encrypted or TooLarge.

    The title is that of the file's properties, else the first paragraph in the style "Title", else the file name
    without its suffix.
    """
    with reported_damage(name):
        package = OfficePackage(data, name, "document")
        reader = _Reader(package)
        reader.write_blocks(child(package.main, "body"))
        return reader.writer.document(package.title or reader.styled_title or PurePath(name).stem)


class _Reader:
    """Reads one document from top to bottom."""

    def __init__(self, package: OfficePackage) -> None:
        self.writer = PassageWriter(package.name)
        self.styled_title = ""
        self._styles = Styles(package)
        self._lists = Lists(package)
        self._notes = {kind: _notes(package, kind) for kind in ("footnote", "endnote")}

    def write_blocks(self, container: Element | None) -> None:
        for block in _unwrapped(container, "p", "tbl"):
            if local_name(block) == "tbl":
                self._write_table(block)
            else:
                self._write_paragraph(block)

    def _write_paragraph(self, paragraph: Element) -> None:
        properties = child(paragraph, "pPr")
        style = self._styles.of(properties)
        if style.is_contents:
            return
        inline = self._inline(paragraph)
        text = inline.text
        if style.is_title and not self.styled_title:
            self.styled_title = one_line(text)
        if style.heading_level:
            self.writer.heading(style.heading_level, text)
        elif style.numbering and text:
            self.writer.line(self._lists.next_mark(style.numbering) + text)
        else:
            self.writer.paragraph(text)
        for note in inline.notes:
            self.writer.note(note)
        for box in inline.boxes:
            self.write_blocks(box)

    def _write_table(self, table: Element) -> None:
        rows = [list(_unwrapped(row, "tc")) for row in _unwrapped(table, "tr")]
        self.writer.end_lines()
        if self._is_layout(rows):
            for cell in (cell for row in rows for cell in row):
                self.write_blocks(cell)
            return
        boxes = [box for row in rows for box in self._write_row(row)]
        self.writer.end_lines()
        for box in boxes:
            self.write_blocks(box)

    def _is_layout(self, rows: list[list[Element]]) -> bool:
        """Whether the table arranges a page: it has one column, or its cells hold headings or tables."""
        return all(len(row) <= 1 for row in rows) or any(self._is_block(cell) for row in rows for cell in row)

    def _is_block(self, cell: Element) -> bool:
        return any(
            local_name(block) == "tbl" or self._styles.of(child(block, "pPr")).heading_level
            for block in _unwrapped(cell, "p", "tbl")
        )

    def _write_row(self, row: list[Element]) -> list[Element]:
        """Writes a row and returns the text boxes that stand beside it."""
        cells = [[self._inline(paragraph) for paragraph in _unwrapped(cell, "p")] for cell in row]
        self.writer.row([" ".join(inline.line for inline in cell) for cell in cells])
        for note in (note for cell in cells for inline in cell for note in inline.notes):
            self.writer.note(note)
        return [box for cell in cells for inline in cell for box in inline.boxes]

    def _inline(self, paragraph: Element) -> Inline:
        inline = Inline()
        for element in descendants(paragraph, _CLOSED):
            match local_name(element):
                case "t":
                    inline.add(element.text)
                case "footnoteReference" | "endnoteReference" as reference:
                    notes = self._notes[reference.removesuffix("Reference")]
                    inline.notes.append(notes.get(attribute(element, "id") or "", ""))
                case "txbxContent":
                    inline.boxes.append(element)
                case "br" | "cr":
                    inline.end_line()
                case other:
                    inline.add(_CHARACTERS.get(other))
        return inline


def _notes(package: OfficePackage, kind: str) -> dict[str, str]:
    """The texts of the footnotes or endnotes, by their ids."""
    path = package.first_related(package.main_part, f"{kind}s")
    notes = children(package.parse(path), kind) if path else ()
    return {attribute(note, "id") or "": _note(note) for note in notes if attribute(note, "type") not in _NOTE_FRAMES}


def _note(note: Element) -> str:
    # A paragraph has no text of its own, and stands for the space before it.
    texts = (element.text or " " for element in descendants(note, _CLOSED) if local_name(element) in {"p", "t"})
    return " ".join("".join(texts).split())


def _unwrapped(container: Element | None, *names: str) -> Iterator[Element]:
    """The children with these local names, be they wrapped or not."""
    for element in container if container is not None else ():
        name = local_name(element)
        if name in names:
            yield element
        elif name in _WRAPPERS:
            yield from _unwrapped(element, *names)
