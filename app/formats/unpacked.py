"""Text that stood inside other data, as JSON strings or parts of a mail: how it becomes text of a document."""

from app.formats.headings import SEPARATOR
from app.formats.passage_writer import PassageWriter
from app.formats.spans import trimmed


def write_passage(writer: PassageWriter, text: str, heading: str | None) -> None:
    """Writes a passage with its own breadcrumb, which goes on in the section of level 0 that the writer has open."""
    sections = heading.split(SEPARATOR) if heading else []
    # The last one, without a title, closes what is deeper.
    for level, title in enumerate([*sections, ""], start=1):
        writer.enter(level, title)
    if span := trimmed(text, 0, len(text)):
        writer.paragraph(text[slice(*span)])
