"""HTML: the readable text of a page, rebuilt as paragraphs.

The document's text is what a reader sees, not the source: spans are characters of that text. Passages are
separated by an empty line; inside one, list items and table rows are lines ("- item", "cell | cell"). Menus,
page headers and footers, side notes and forms are left out, and all outside <main> (or a lone <article>)
where there is one; a page that consists of nothing else is read whole.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from selectolax.lexbor import LexborHTMLParser, LexborNode

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NEVER_READ = _tags("head script style noscript template svg iframe object canvas audio video button select textarea")
_CHROME = _tags("nav footer aside form")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}

# Elements that end the line or paragraph before them.
_BREAKS = _tags(
    "address article aside blockquote body caption center dd details div dt fieldset figcaption figure "
    "footer form header hgroup hr li main nav p section summary"
)
_SPACES = re.compile(r"\s+")

# How far into the file a charset may be declared: the HTML standard's prescan reads 1,024 bytes.
_PRESCAN_NUM_BYTES = 1024
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)

# As browsers do: Latin-1 means Windows-1252, and UTF-16 cannot be true where ASCII could be read.
_WEB_MEANING = {
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii"), "cp1252"),
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be"), "utf-8"),
}


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is <title>, else the first <h1>, else the file name without its suffix."""
    tree = LexborHTMLParser(decode(data, name, _declared_charset(data)))
    title = _first_text(tree, "head title") or _first_text(tree, "h1") or PurePath(name).stem
    writer = PassageWriter(name)
    _PageWriter(writer).write(_main_part(tree), _is_chrome)
    if not writer.num_passages:
        _PageWriter(writer).write(tree.root, _is_never_read)
    return writer.document(title)


def write_whole_page(markup: str, writer: PassageWriter) -> None:
    """Writes everything a reader of the page sees: for pages that have no frame to leave out, such as a book's."""
    _PageWriter(writer).write(LexborHTMLParser(markup).root, _is_never_read)


def _declared_charset(data: bytes) -> str | None:
    declaration = _CHARSET.search(data[:_PRESCAN_NUM_BYTES])
    if declaration is None:
        return None
    charset = declaration[1].decode("ascii", "replace").lower()
    return _WEB_MEANING.get(charset, charset)


def _first_text(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return one_line(node.text()) if node else ""


def _main_part(tree: LexborHTMLParser) -> LexborNode | None:
    if main := tree.css_first("main, [role=main]"):
        return main
    # Several articles are a list of teasers or a thread: none of them is the page.
    articles = tree.css("article")
    return articles[0] if len(articles) == 1 else tree.body or tree.root


def _is_never_read(node: LexborNode) -> bool:
    return node.tag in _NEVER_READ or (node.is_element_node and "hidden" in node.attributes)


def _is_chrome(node: LexborNode) -> bool:
    if node.tag == "header":
        # The header of an article or section holds its heading.
        return not any(parent.tag in {"article", "section", "main"} for parent in _ancestors(node))
    return node.tag in _CHROME or _is_never_read(node)


def _ancestors(node: LexborNode) -> Iterator[LexborNode]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def _is_layout(group: LexborNode) -> bool:
    """A table that arranges a page, not data: its cells hold headings, tables, or several paragraphs."""
    cells = group.css("td, th") if group.tag == "table" else []
    return any(cell.css_first("h1, h2, h3, h4, h5, h6, table, p ~ p") for cell in cells)


def _walk(root: LexborNode | None, is_left_out: Callable[[LexborNode], bool]) -> Iterator[tuple[LexborNode, bool]]:
    """Each node when entered (True) and, unless it is text, when left (False).

    A loop, since pages nest deeper than Python may recurse.
    """
    pending = [(root, True)] if root is not None else []
    while pending:
        node, entered = pending.pop()
        if entered and is_left_out(node):
            continue
        yield node, entered
        if entered and not node.is_text_node:
            pending.append((node, False))
            pending.extend((child, True) for child in reversed(list(node.iter(include_text=True))))


@dataclass(slots=True)
class _Group:
    """A list or table that is open: its items or rows are lines of one passage."""

    tag: str
    num_items: int = 0
    num_cells: int = 0


class _PageWriter:
    """Turns one page into passages: nodes in document order in, paragraphs and headings out."""

    def __init__(self, writer: PassageWriter) -> None:
        self._writer = writer
        self._groups: list[_Group] = []
        self._num_open_pre = 0
        # The passage being written, and whether its last line holds no words yet.
        self._parts: list[str] = []
        self._at_line_start = True

    def write(self, root: LexborNode | None, is_left_out: Callable[[LexborNode], bool]) -> None:
        for node, entered in _walk(root, is_left_out):
            if node.is_text_node:
                self._add_words(node.text_content or "")
            elif self._num_open_pre and node.tag != "pre":
                if entered and node.tag == "br":
                    self._add_line_end()
            elif entered:
                self._enter(node)
            else:
                self._leave(node)
        self._end_passage()

    def _add_words(self, words: str) -> None:
        self._parts.append(words if self._num_open_pre else _SPACES.sub(" ", words))
        self._at_line_start = self._at_line_start and words.isspace()

    def _add_line_end(self) -> None:
        self._parts.append("\n")
        self._at_line_start = True

    def _enter(self, node: LexborNode) -> None:
        match node.tag:
            case "pre":
                self._end_passage()
                self._num_open_pre += 1
            case "ul" | "ol" | "dl" | "table":
                self._break()
                self._groups.append(_Group("layout" if _is_layout(node) else node.tag))
            case "br" if self._is_in_table:
                self._break()
            case "br":
                self._add_line_end()
            case "li":
                self._break()
                self._parts += ["\n", self._item_mark()]
            case "td" | "th":
                self._start_cell()
            case "tr":
                self._start_row()
            case tag if tag in _HEADINGS:
                self._end_passage()
            case tag if tag in _BREAKS:
                self._break()

    def _leave(self, node: LexborNode) -> None:
        match node.tag:
            case "pre":
                self._end_passage()
                self._num_open_pre -= 1
            case "ul" | "ol" | "dl" | "table":
                self._groups.pop()
                self._break()
            case tag if tag in _HEADINGS:
                self._end_heading(_HEADINGS[tag])
            case tag if tag in _BREAKS:
                self._break()

    @property
    def _is_in_table(self) -> bool:
        return bool(self._groups) and self._groups[-1].tag == "table"

    def _break(self) -> None:
        """Ends what stands before a block: the passage; in a list the line; in a table cell the word."""
        if self._is_in_table:
            self._parts.append(" ")
        elif not self._groups or self._groups[-1].tag == "layout":
            self._end_passage()
        elif not self._at_line_start:
            self._add_line_end()

    def _item_mark(self) -> str:
        if not self._groups or self._groups[-1].tag != "ol":
            return "- "
        self._groups[-1].num_items += 1
        return f"{self._groups[-1].num_items}. "

    def _start_row(self) -> None:
        if self._is_in_table:
            self._groups[-1].num_cells = 0
            self._add_line_end()
        else:
            self._break()

    def _start_cell(self) -> None:
        if self._is_in_table:
            self._parts.append(" | " if self._groups[-1].num_cells else "")
            self._groups[-1].num_cells += 1
        else:
            self._break()

    def _end_heading(self, level: int) -> None:
        self._writer.enter(level, "".join(self._parts))
        self._end_passage()

    def _end_passage(self) -> None:
        passage = "".join(self._parts)
        self._parts = []
        self._at_line_start = True
        self._writer.paragraph(passage.strip("\n").rstrip() if self._num_open_pre else _tidied(passage))


def _tidied(passage: str) -> str:
    """One space between words, no blank lines, and no list marks or cells without words."""
    lines = (" ".join(line.split()) for line in passage.split("\n"))
    return "\n".join(line for line in lines if line.strip("-| "))
