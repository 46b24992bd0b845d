"""Mail: single messages (.eml) and mailboxes (.mbox), each message a section under its subject.

The document's text is rebuilt: who wrote to whom and when, then the words of the message. Its plain text is preferred;
else the HTML is read as `html` reads it. Attachments are named, not read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from pathlib import PurePath

from app.formats import html, plain_text
from app.formats.damage import reported_damage
from app.formats.decoding import decode
from app.formats.errors import Damaged, UnreadableDocument
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter
from app.formats.storable import storable
from app.formats.unpacked import write_passage

MAX_NUM_MESSAGES = 20_000
"""Of a mailbox: ten a day for five years. Those behind them are counted and named as left out."""

MAX_NUM_CHARS = 16_000_000
"""Of the text of a mailbox, likewise: half of what a document may hold at all."""

# Longer headers are lists of hundreds of recipients, or made to keep a parser busy.
_MAX_HEADER_NUM_CHARS = 2000

# How deep parts may be nested: a forwarded mail has some three levels, and may be forwarded in another. Each level
# looks at every line again.
_MAX_DEPTH = 30

# Of one part. Digests hold hundreds.
_MAX_NUM_PARTS = 10_000

_SHOWN_HEADERS = ("From", "To", "Cc", "Date", "Subject")

# At least one of them stands in every message, or it is something else under the name of one.
_TELLING_HEADERS = ("From", "To", "Date", "Subject", "Received", "Message-ID")

_NO_SUBJECT = "(no subject)"

# A line that begins a message: "From someone@example.org Mon Jan  1 10:00:00 2024". In a body it stands quoted.
_BORDER = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d[^\n]*\n")
_QUOTED_BORDER = re.compile(rb"^>(>*From )", re.MULTILINE)


class _BoundedHeaders(Compat32):
    """Headers as mere strings: the newer policy parses each by its grammar, and is slow and fails on odd ones."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_MAX_HEADER_NUM_CHARS]


class _Part(Message):
    """A message or a part of one, which has a bounded number of parts."""

    depth = 0

    def attach(self, payload: "_Part") -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        payload.depth = self.depth + 1
        parts = self.get_payload()
        if payload.depth > _MAX_DEPTH or (isinstance(parts, list) and len(parts) >= _MAX_NUM_PARTS):
            raise MessageError("more parts, or deeper ones, than mail programs write")
        super().attach(payload)


_PARSER = BytesParser(_Part, policy=_BoundedHeaders())


@dataclass(frozen=True, slots=True)
class _Mail:
    """What is read of one message."""

    subject: str
    """Empty when it has none."""
    head: str
    """Who wrote to whom and when, about what, with which attachments."""
    bodies: list[ExtractedDocument]

    @property
    def num_chars(self) -> int:
        return len(self.head) + sum(len(body.text) for body in self.bodies)


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText and Damaged. The title of a message is its subject, that of a mailbox the file name without its
    suffix. What has no headers of a message is read as plain text."""
    borders = list(_BORDER.finditer(data)) if PurePath(name).suffix.lower() == ".mbox" else []
    if borders:
        return _mailbox(data, borders, name)
    mail = _mail(data, name)
    if mail is None:
        return plain_text.extract(data, name)
    writer = PassageWriter(name)
    _write(mail, writer)
    return writer.document(mail.subject or PurePath(name).stem)


def _mailbox(data: bytes, borders: list[re.Match[bytes]], name: str) -> ExtractedDocument:
    writer = PassageWriter(name)
    ends = [*(border.start() for border in borders[1:]), len(data)]
    num_chars = num_damaged = num_left_out = 0
    for number, (border, end) in enumerate(zip(borders, ends, strict=True)):
        if number >= MAX_NUM_MESSAGES or num_chars >= MAX_NUM_CHARS:
            num_left_out = len(borders) - number
            break
        try:
            mail = _mail(_QUOTED_BORDER.sub(rb"\1", data[border.end() : end]), name)
        except Damaged:
            num_damaged += 1
            continue
        if mail:
            num_chars += mail.num_chars
            _write(mail, writer)
    writer.enter(0, "")
    if num_damaged:
        writer.paragraph(f"(Damaged messages in this mailbox, left out: {num_damaged:,}.)")
    if num_left_out:
        writer.paragraph(f"(The mailbox goes on: {num_left_out:,} more messages were left out.)")
    return writer.document(PurePath(name).stem)


def _write(mail: _Mail, writer: PassageWriter) -> None:
    writer.enter(0, mail.subject or _NO_SUBJECT)
    writer.paragraph(mail.head)
    for body in mail.bodies:
        for passage in body.passages:
            write_passage(writer, body.text[passage.start : passage.end], passage.heading)


def _mail(data: bytes, name: str) -> _Mail | None:
    """None when it has no headers of a message."""
    with reported_damage(name):
        message = _PARSER.parsebytes(data)
        if not any(header in message for header in _TELLING_HEADERS):
            return None
        contents = list(_contents(message, name))
    lines = [f"{header}: {value}" for header in _SHOWN_HEADERS if (value := _header(message, header))]
    attachments = [content for content in contents if isinstance(content, str)]
    if attachments:
        lines.append(f"Attachments: {', '.join(attachments)}")
    bodies = [content for content in contents if isinstance(content, ExtractedDocument)]
    return _Mail(one_line(_header(message, "Subject")), "\n".join(lines), bodies)


def _header(message: Message, header: str) -> str:
    """The words of a header, on one line."""
    # The raw ones: as a string, bytes that are not ASCII would be lost.
    values = (str(value) for name, value in message.raw_items() if name.lower() == header.lower())
    return _decoded_words(next(values, ""))


def _decoded_words(value: str) -> str:
    try:
        words = "".join(_decoded(part, charset) for part, charset in decode_header(value))
    except (MessageError, ValueError):
        words = _decoded(value, None)
    return " ".join(storable(words).split())


def _decoded(part: bytes | str, charset: str | None) -> str:
    """One run of a header: an encoded word, or bytes in an encoding that nobody named."""
    data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
    for encoding in (charset or "utf-8", "utf-8"):
        try:
            return data.decode(encoding)
        except (LookupError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _parts(part: Message) -> list[Message]:
    """The parts that a part consists of; none when it is a text or file."""
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _contents(part: Message, name: str) -> Iterator[ExtractedDocument | str]:
    """The texts in a part, in their order, and in their place the names of files."""
    if part.get_content_type() == "multipart/alternative":
        yield from _best(_parts(part), name)
    elif part.get_content_maintype() == "multipart":
        for inner in _parts(part):
            yield from _contents(inner, name)
    elif file_name := _file_name(part):
        yield file_name
    elif part.get_content_maintype() == "text" and (text := _text(part, name)):
        yield text


def _best(alternatives: list[Message], name: str) -> Iterator[ExtractedDocument | str]:
    """Of the same message in several kinds its plain text, or else the first kind that has words."""
    for part in sorted(alternatives, key=lambda part: part.get_content_type() != "text/plain"):
        contents = list(_contents(part, name))
        if any(isinstance(content, ExtractedDocument) for content in contents):
            yield from contents
            return


def _file_name(part: Message) -> str | None:
    """The name of an attachment or of a message inside this one; None for what has none."""
    if file_name := one_line(_decoded_words(part.get_filename() or "")):
        return file_name
    if part.get_content_maintype() == "message":
        subjects = (one_line(_header(inner, "Subject")) for inner in _parts(part))
        return next(subjects, "") or "a message"
    return part.get_content_type() if part.get_content_disposition() == "attachment" else None


def _text(part: Message, name: str) -> ExtractedDocument | None:
    """The text of one part; None when it is blank or no text."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return None
    try:
        # Marked as UTF-8 from here on: a page may still name the encoding that the mail program had turned it from.
        marked = decode(content, name, part.get_content_charset()).encode("utf-8-sig")
        document = (
            html.extract(marked, name) if part.get_content_subtype() == "html" else plain_text.extract(marked, name)
        )
    except UnreadableDocument:
        return None
    return document if document.passages else None
