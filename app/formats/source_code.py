"""Source code of any language: its definitions as passages. The text is the decoded file.

No language is parsed. A definition starts at a line in column 0 behind a blank line and reaches to the next such start,
so comments and decorators directly above it and the indented lines below it belong to it. In a long definition (a
class, a namespace) the definitions one level in are passages of their own, where lines look like definitions.

Grammars would know more, and weigh more: tree-sitter-language-pack 0.13.0, the last to carry them, is a wheel of 20 MB
and 192 MB on disk; its later versions (2.4 MB) fetch each grammar over the network when it is first needed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import SEPARATOR, one_line
from app.formats.spans import line_starts, trimmed

# A longer definition is looked into: about the size of a chunk.
_LONG_NUM_CHARS = 2000

# A namespace, a class in it, its methods.
_MAX_DEPTH = 3

# A bracket or keyword that closes what stands above it is no start, even behind a blank line.
_CLOSES = re.compile(r"[})\]]|end\b|\{\s*$")

# Comments, decorators and the like: they describe the definition below them and do not name it.
_DESCRIBES = re.compile(r"""//|/\*|\*|--|;|%|@|#|\"{3}|'{3}""")

_MODIFIER = (
    r"(?:pub(?:\([^()]*\))?|public|private|protected|internal|static|abstract|final|override|virtual|async|export|"
    r"default|open|inline|const|unsafe|extern|suspend|data|sealed|partial|readonly|local)"
)
_KEYWORD = (
    r"(?:def|defp|class|fn|func|fun|function|sub|proc|procedure|module|namespace|impl|trait|interface|enum|struct|union|"
    r"type|record|object|protocol|extension|init|deinit|constructor|template)"
)
_STATEMENT = (
    r"(?:if|elif|else|for|foreach|while|until|unless|switch|case|match|when|try|catch|except|with|using|lock|do|return|"
    r"yield|await|throw|raise|assert|del|new|not|print|echo|super|this)\b|>"
)
_DEFINES = re.compile(rf"(?:{_MODIFIER}\s+)*+{_KEYWORD}\b(?!\s*[=.,)])")

# A function in the manner of C: names before a bracket, and with a type before the name if its line goes on below.
_SIGNATURE = re.compile(rf"(?!{_STATEMENT})[\w~<>,:*&\[\]?$ \t]++\(")
_TYPED_SIGNATURE = re.compile(rf"(?!{_STATEMENT})(?:[\w~<>,:*&\[\]?$]++[ \t*&]++)+[\w~:$<>,]++[ \t]*+\([^;]*[(,]$")

# The end of a call that is handed a function: it looks like a signature, and defines nothing.
_HANDS_ON = re.compile(r"(?:=>|\bfunc(?:tion)?[ \t]*\([^()]*\)|\|)[ \t]*\{?$")

# What a heading goes on with in the lines below it.
_OPENS = " \t{:("


@dataclass(frozen=True, slots=True)
class _Definition:
    """Lines [first, last) of the source, and how deep they are nested; 0 is the outermost level."""

    first: int
    last: int
    depth: int
    outer: str | None = None
    """Heading of the definition around it."""


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the file name: its suffix tells the language."""
    text = decode(data, name)
    return ExtractedDocument(name, text, tuple(_Source(text).passages()))


class _Source:
    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = line_starts(text)
        self._num_lines = len(self._starts) - 1

    def passages(self) -> Iterator[Passage]:
        starts = [0, *self._outermost_starts(), self._num_lines]
        for first, last in pairwise(starts):
            yield from self._passages(_Definition(first, last, 0))

    def _line(self, number: int) -> str:
        return self._text[self._starts[number] : self._starts[number + 1]]

    def _outermost_starts(self) -> Iterator[int]:
        for number in range(1, self._num_lines):
            line = self._line(number)
            if self._line(number - 1).isspace() and not line[0].isspace() and not _CLOSES.match(line):
                yield number

    def _passages(self, definition: _Definition) -> Iterator[Passage]:
        start, end = self._starts[definition.first], self._starts[definition.last]
        span = trimmed(self._text, start, end)
        if span is None:
            return
        heading = self._heading(definition)
        is_long = span[1] - span[0] > _LONG_NUM_CHARS and definition.depth < _MAX_DEPTH
        inner = self._inner_starts(definition) if is_long else []
        if not inner:
            yield Passage(*span, heading=heading)
            return
        if opening := trimmed(self._text, start, self._starts[inner[0]]):
            yield Passage(*opening, heading=heading)
        for first, last in pairwise([*inner, definition.last]):
            yield from self._passages(_Definition(first, last, definition.depth + 1, heading))

    def _inner_candidates(self, definition: _Definition) -> Iterator[int]:
        """Lines behind blank ones, and those behind a line that opens a body."""
        for number in range(definition.first + 1, definition.last):
            before = self._line(number - 1).strip()
            opens = before.endswith((":", "{")) and not _DESCRIBES.match(before)
            if (not before or opens) and not self._line(number).isspace():
                yield number

    def _inner_starts(self, definition: _Definition) -> list[int]:
        """Where the definitions one level in start."""
        own = self._indentation(definition.first)
        starts = [
            number
            for number in self._inner_candidates(definition)
            if self._indentation(number) > own and self._begins_definition(number, definition.last)
        ]
        indentation = min(map(self._indentation, starts), default=0)
        return [number for number in starts if self._indentation(number) == indentation]

    def _indentation(self, number: int) -> int:
        line = self._line(number)
        return len(line) - len(line.lstrip())

    def _begins_definition(self, number: int, last: int) -> bool:
        """Whether a definition is named by this line or, below its comments and decorators, by one of the next."""
        indentation = self._indentation(number)
        while number < last and not self._line(number).isspace() and self._indentation(number) >= indentation:
            line = self._line(number).strip()
            # The arguments of a decorator are indented; its bracket may close in a line of its own.
            is_own_line = self._indentation(number) == indentation and line[0] not in ")]"
            if is_own_line and not _describes(line, indentation):
                following = self._line(number + 1).strip() if number + 1 < last else ""
                return _is_definition(line, following)
            number += 1
        return False

    def _heading(self, definition: _Definition) -> str:
        own = self._naming_line(definition).strip().replace(SEPARATOR, ">")
        name = one_line(own).rstrip(_OPENS) or one_line(own)
        return f"{definition.outer}{SEPARATOR}{name}" if definition.outer else name

    def _naming_line(self, definition: _Definition) -> str:
        first_words = indentation = None
        for number in range(definition.first, definition.last):
            line = self._line(number)
            words = line.strip()
            if not words:
                continue
            if first_words is None:
                first_words, indentation = words, self._indentation(number)
            is_own_line = self._indentation(number) == indentation and not _CLOSES.match(words)
            if is_own_line and not _describes(words, self._indentation(number)):
                return words
        return first_words or ""


def _describes(words: str, indentation: int) -> bool:
    # In column 0 brackets are the sections of settings files, elsewhere the attributes of C# and its like.
    is_attribute = indentation > 0 and words[0] == "[" and words[-1] == "]"
    return is_attribute or _DESCRIBES.match(words) is not None


def _is_definition(line: str, following: str) -> bool:
    if _DEFINES.match(line):
        return True
    opens = (line.endswith("{") or following.startswith("{")) and not _HANDS_ON.search(line)
    return _TYPED_SIGNATURE.match(line) is not None or (opens and _SIGNATURE.match(line) is not None)
