"""Where extractors of rich formats write: headings, paragraphs, lines and notes in, text and passages out.

The document's text is what was written: passages apart by an empty line, the lines of a list or table by a line end.
"""

from app.formats.errors import TooLarge
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import HeadingTrail
from app.formats.registry import MAX_NUM_CHARS

_PASSAGE_SEPARATOR = "\n\n"
_CELL_SEPARATOR = " | "


class PassageWriter:
    """Writes one document, from its first passage to its last. Blank passages, lines and notes are left out.

    Every writing method raises TooLarge when the document gets longer than any that is read.
    """

    def __init__(self, name: str) -> None:
        self.page: int | None = None
        """The page of the passages that are written next."""
        self._name = name
        self._trail = HeadingTrail()
        self._written: list[str] = []
        self._num_chars = 0
        self._passages: list[Passage] = []
        # The passage of lines that is open, and the notes that belong behind it.
        self._lines: list[str] = []
        self._notes: list[str] = []

    @property
    def num_passages(self) -> int:
        """How many passages are written and ended."""
        return len(self._passages)

    def enter(self, level: int, title: str) -> None:
        """Opens a section without writing its heading; see HeadingTrail."""
        self.end_lines()
        self._trail.enter(level, title)

    def heading(self, level: int, title: str) -> None:
        """Opens a section and writes its heading, which stands in it."""
        self.enter(level, title)
        self.paragraph(title)

    def paragraph(self, text: str) -> None:
        """Writes a passage of its own, as it is."""
        self.end_lines()
        self._write(text)

    def line(self, text: str) -> None:
        """Writes a list item: lines that follow each other are one passage."""
        if text and not text.isspace():
            self._lines.append(text)

    def row(self, cells: list[str]) -> None:
        """Writes a table row as a line: "cell | cell"."""
        if any(cells):
            self.line(_CELL_SEPARATOR.join(cells).strip())

    def note(self, text: str) -> None:
        """Writes a footnote of what was written last; one to a list or table stands behind all of it."""
        self._notes.append(text)
        if not self._lines:
            self.end_lines()

    def end_lines(self) -> None:
        """Ends the passage of lines: what follows is another list or table."""
        lines, self._lines = self._lines, []
        notes, self._notes = self._notes, []
        self._write("\n".join(lines))
        for note in notes:
            self._write(note)

    def document(self, title: str) -> ExtractedDocument:
        """What was written."""
        self.end_lines()
        return ExtractedDocument(title, "".join(self._written), tuple(self._passages))

    def _write(self, passage: str) -> None:
        if not passage or passage.isspace():
            return
        separator = _PASSAGE_SEPARATOR if self._written else ""
        start = self._num_chars + len(separator)
        self._num_chars = start + len(passage)
        if self._num_chars > MAX_NUM_CHARS:
            raise TooLarge(self._name, f"holds more text than the limit of {MAX_NUM_CHARS:,} characters")
        self._written += [separator, passage]
        self._passages.append(Passage(start, self._num_chars, self.page, self._trail.breadcrumb))
