"""OpenDocument texts (odt): headings, lists, tables, and notes behind what they belong to.

List items are lines ("- item", "1. item"), table rows too ("cell | cell"). Left out are page headers and footers,
comments, deleted text, and tables of contents and other indexes.
"""

from collections.abc import Iterator
from pathlib import PurePath

from app.formats.damage import reported_damage
from app.formats.errors import Damaged, Encrypted
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter
from app.formats.zipped.archive import Archive
from app.formats.zipped.inline import Inline
from app.formats.zipped.xml_parts import Element, attribute, child, children, descendants, local_name, parse

_SHAPES = frozenset({"frame", "g", "custom-shape", "rect", "ellipse", "polygon", "path", "caption"})

# Blocks that only hold others.
_CONTAINERS = _SHAPES | {"section", "text-box", "a", "numbered-paragraph"}

# Remarks in the margin, and the reading aid above a word.
_NEVER_READ = frozenset({"annotation", "ruby-text"})

_PARAGRAPHS = frozenset({"p", "h"})
_BULLET = "- "
_CHARACTERS = {"s": " ", "tab": " "}

_ROW_GROUPS = frozenset({"table-header-rows", "table-rows", "table-row-group"})
_STYLE_GROUPS = frozenset({"styles", "automatic-styles"})
_CELLS = frozenset({"table-cell", "covered-table-cell"})


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises Damaged, Encrypted or TooLarge. The title is that of the file's properties, else the file name."""
    with reported_damage(name):
        archive = Archive(data, name)
        _refuse_encrypted(archive)
        content = _parse(archive, "content.xml")
        text = child(content, "body", "text")
        if text is None:
            raise Damaged(name, "is something else than its suffix says: it holds no text document")
        writer = PassageWriter(name)
        _Reader(writer, _numbered_lists(archive, content)).write_blocks(text)
        return writer.document(_title(archive) or PurePath(name).stem)


def _parse(archive: Archive, path: str) -> Element:
    return parse(archive.read(path), archive.name, path)


def _refuse_encrypted(archive: Archive) -> None:
    # The list of parts says which of them are encrypted; it is not encrypted itself.
    path = "META-INF/manifest.xml"
    if path in archive:
        entries = descendants(_parse(archive, path))
        if any(local_name(element) in {"encryption-data", "encrypted-key"} for element in entries):
            raise Encrypted(archive.name, "is encrypted: it opens only with a password")


def _title(archive: Archive) -> str:
    if "meta.xml" not in archive:
        return ""
    properties = descendants(_parse(archive, "meta.xml"))
    return one_line(next((element.text or "" for element in properties if local_name(element) == "title"), ""))


def _numbered_lists(archive: Archive, content: Element) -> frozenset[tuple[str, int]]:
    """The names of list styles with each depth, from 1, at which they number the items."""
    roots = [content, *([_parse(archive, "styles.xml")] if "styles.xml" in archive else [])]
    groups = (group for root in roots for group in root if local_name(group) in _STYLE_GROUPS)
    return frozenset(
        (attribute(style, "name") or "", int(attribute(level, "level") or 1))
        for group in groups
        for style in children(group, "list-style")
        for level in children(style, "list-level-style-number")
        # Without a format nothing is printed.
        if attribute(level, "num-format")
    )


class _Reader:
    """Reads one document from top to bottom."""

    def __init__(self, writer: PassageWriter, numbered_lists: frozenset[tuple[str, int]]) -> None:
        self._writer = writer
        self._numbered_lists = numbered_lists
        # The number given last, by list style and depth.
        self._counts: dict[tuple[str, int], int] = {}

    def write_blocks(self, container: Element) -> None:
        for block in container:
            match local_name(block):
                case "h" | "p" as name:
                    self._write_paragraph(block, is_heading=name == "h")
                case "list":
                    self._writer.end_lines()
                    self._write_list(block, "", 1)
                    self._writer.end_lines()
                case "table":
                    self._write_table(block)
                case name if name in _CONTAINERS:
                    self.write_blocks(block)

    def _write_paragraph(self, paragraph: Element, is_heading: bool) -> None:
        inline = _inline(paragraph)
        if is_heading:
            self._writer.heading(int(attribute(paragraph, "outline-level") or 1), inline.text)
        else:
            self._writer.paragraph(inline.text)
        self._write_asides(inline)

    def _write_asides(self, inline: Inline) -> None:
        for note in inline.notes:
            self._writer.note(note)
        for box in inline.boxes:
            self.write_blocks(box)

    def _write_list(self, items: Element, style: str, depth: int) -> None:
        style = attribute(items, "style-name") or style
        if attribute(items, "continue-numbering") != "true":
            self._counts.pop((style, depth), None)
        for item in items:
            mark = self._next_mark(item, style, depth) if local_name(item) == "list-item" else ""
            for block in item:
                match local_name(block):
                    case "p":
                        inline = _inline(block)
                        self._writer.line(mark + inline.text if inline.text else "")
                        self._write_asides(inline)
                        mark = ""
                    case "h":
                        self._write_paragraph(block, is_heading=True)
                    case "list":
                        self._write_list(block, style, depth + 1)

    def _next_mark(self, item: Element, style: str, depth: int) -> str:
        if (style, depth) not in self._numbered_lists:
            return _BULLET
        first = attribute(item, "start-value")
        number = int(first) if first else self._counts.get((style, depth), 0) + 1
        self._counts[style, depth] = number
        return f"{number}. "

    def _write_table(self, table: Element) -> None:
        rows = [[cell for cell in row if local_name(cell) in _CELLS] for row in _rows(table)]
        self._writer.end_lines()
        if _is_layout(rows):
            for cell in (cell for row in rows for cell in row):
                self.write_blocks(cell)
            return
        boxes = [box for row in rows for box in self._write_row(row)]
        self._writer.end_lines()
        for box in boxes:
            self.write_blocks(box)

    def _write_row(self, row: list[Element]) -> list[Element]:
        """Writes a row and returns the shapes that stand beside it."""
        cells = [[_inline(paragraph) for paragraph in _paragraphs(cell)] for cell in row]
        self._writer.row([" ".join(inline.line for inline in cell) for cell in cells])
        for note in (note for cell in cells for inline in cell for note in inline.notes):
            self._writer.note(note)
        return [box for cell in cells for inline in cell for box in inline.boxes]


def _rows(table: Element) -> Iterator[Element]:
    for element in table:
        if local_name(element) == "table-row":
            yield element
        elif local_name(element) in _ROW_GROUPS:
            yield from _rows(element)


def _is_layout(rows: list[list[Element]]) -> bool:
    """Whether the table arranges a page: it has one column, or its cells hold headings or tables."""
    blocks = (local_name(block) for row in rows for cell in row for block in cell)
    return all(len(row) <= 1 for row in rows) or any(block in {"h", "table"} for block in blocks)


def _paragraphs(container: Element) -> Iterator[Element]:
    return (each for each in descendants(container, _PARAGRAPHS) if local_name(each) in _PARAGRAPHS)


def _inline(paragraph: Element) -> Inline:
    inline = Inline()
    # Elements still to be read, and the words behind them.
    pending: list[Element | str] = [paragraph]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            inline.add(each)
            continue
        name = local_name(each)
        if name == "note":
            body = child(each, "note-body")
            inline.notes.append(" ".join(_inline(part).line for part in _paragraphs(body)) if body is not None else "")
        elif name in _SHAPES:
            inline.boxes.append(each)
        elif name not in _NEVER_READ:
            if name == "line-break":
                inline.end_line()
            inline.add(_CHARACTERS.get(name))
            inline.add(each.text)
            for part in list(each)[::-1]:
                pending += [part.tail or "", part]
    return inline
