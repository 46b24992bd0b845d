"""Text that stood inside other data, as JSON strings or parts of a mail: how it becomes text of a document."""

import re

from app.formats.headings import SEPARATOR
from app.formats.passage_writer import PassageWriter
from app.formats.spans import trimmed

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text as `decoding.decode` would leave it: every line end is a line feed, and characters that later stages
    cannot store are U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def write_passage(writer: PassageWriter, text: str, heading: str | None) -> None:
    """Writes a passage with its own breadcrumb, which goes on in the section of level 0 that the writer has open."""
    sections = heading.split(SEPARATOR) if heading else []
    # The last one, without a title, closes what is deeper.
    for level, title in enumerate([*sections, ""], start=1):
        writer.enter(level, title)
    if span := trimmed(text, 0, len(text)):
        writer.paragraph(text[slice(*span)])
