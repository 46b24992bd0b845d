"""What `app.reader` and its workers say to each other: frames, and the documents and errors in them.

A frame is the length of what follows (4 bytes, big-endian) and one JSON object in UTF-8. JSON, because a worker may
have been taken over by the document it reads: an answer is data, whatever it says. Nothing in it is believed; what
breaks a rule raises InvalidFrame.

| message | its fields |
| --- | --- |
| started | `pid` |
| request | `path` |
| answer | `title`, `text`, `passages` ([start, end, page, heading] each), `headings`, `num_bytes`, `mtime_ns` |
| answer | `error` (a class of `app.formats.errors`), `reason` |

The heading of a passage is an index into `headings`; it and the page may be null. A worker that runs out of memory
has none left to say so: it ends with the exit code OUT_OF_MEMORY.
"""

import json
import struct
from typing import IO

from app.formats import errors
from app.formats.errors import UnreadableDocument
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.registry import MAX_NUM_CHARS, ReadFile
from app.formats.storable import is_storable

Message = dict[str, object]

MAX_NUM_BYTES = 3 * MAX_NUM_CHARS
"""The longest text at two bytes a character (Greek, Cyrillic, Hebrew), and a third for its passages."""

OUT_OF_MEMORY = 12
"""Exit code of a worker; the number of ENOMEM, which Python gives to no other end."""

# A sentence. Libraries may quote half of the document in theirs.
_MAX_REASON_NUM_CHARS = 200

# What SQLite can store.
_MAX_INTEGER = 2**63 - 1

_LENGTH = struct.Struct(">I")


class InvalidFrame(ValueError):
    """What came is no frame, or not the message that was due."""


def write(pipe: IO[bytes], message: Message) -> None:
    """Sends a message; raises InvalidFrame, and sends nothing, when it is too long."""
    # File names that are not UTF-8 hold lone surrogates.
    data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(data) > MAX_NUM_BYTES:
        raise InvalidFrame(f"a message has at most {MAX_NUM_BYTES:,} bytes, this one {len(data):,}")
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def read(pipe: IO[bytes]) -> Message | None:
    """The next message; None when the pipe has ended, be it in the middle of one. Raises InvalidFrame."""
    prefix = pipe.read(_LENGTH.size)
    if len(prefix) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(prefix)
    if length > MAX_NUM_BYTES:
        raise InvalidFrame(f"a message of {length:,} bytes was announced")
    data = pipe.read(length)
    return _parsed(data) if len(data) == length else None


def _parsed(data: bytes) -> Message:
    try:
        message = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise InvalidFrame("a message is not JSON") from error
    if not isinstance(message, dict):
        raise InvalidFrame("a message is no JSON object")
    return message


def answer_with(read_file: ReadFile) -> Message:
    """The answer that says what was read."""
    document = read_file.document
    headings: dict[str, int] = {}
    passages = [
        (each.start, each.end, each.page, each.heading and headings.setdefault(each.heading, len(headings)))
        for each in document.passages
    ]
    return {
        "title": document.title,
        "text": document.text,
        "headings": list(headings),
        "passages": passages,
        "num_bytes": read_file.num_bytes,
        "mtime_ns": read_file.mtime_ns,
    }


def answer_with_error(error: UnreadableDocument) -> Message:
    """The answer that says why nothing was read."""
    return {"error": type(error).__name__, "reason": error.reason}


def read_answer(name: str, answer: Message) -> ReadFile:
    """What was read of the file `name`. Raises the error that the answer tells of, or InvalidFrame."""
    try:
        if "error" in answer:
            error = _error_class(answer["error"])(name, _text(answer["reason"])[:_MAX_REASON_NUM_CHARS])
        else:
            return _read_file(answer)
    except (KeyError, TypeError, ValueError) as mistake:
        raise InvalidFrame(f"an answer breaks the rules: {mistake!r}") from mistake
    raise error


def _error_class(name: object) -> type[UnreadableDocument]:
    known = getattr(errors, name, None) if isinstance(name, str) else None
    if isinstance(known, type) and issubclass(known, UnreadableDocument):
        return known
    return UnreadableDocument


def _read_file(answer: Message) -> ReadFile:
    text = _text(answer["text"])
    if len(text) > MAX_NUM_CHARS:
        raise ValueError(f"a text of {len(text):,} characters")
    headings = [_text(heading) for heading in _list(answer["headings"])]
    passages = tuple(_passage(row, headings) for row in _list(answer["passages"]))
    if not passages:
        raise ValueError("no passages")
    document = ExtractedDocument(_text(answer["title"]), text, passages)
    return ReadFile(document, _integer(answer["num_bytes"], 0), _integer(answer["mtime_ns"], -_MAX_INTEGER))


def _passage(row: object, headings: list[str]) -> Passage:
    start, end, page, heading = _list(row)
    return Passage(
        _integer(start, 0),
        _integer(end, 1),
        None if page is None else _integer(page, 1),
        None if heading is None else headings[_integer(heading, 0, len(headings) - 1)],
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not is_storable(value):
        raise TypeError("text is expected")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    return value


def _integer(value: object, least: int, most: int = _MAX_INTEGER) -> int:
    # bool is an int in Python.
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"a number from {least} to {most} is expected")
    return value
