r"""LaTeX: paragraphs and environments in their sections.

The document's text is the source between \begin{document} and \end{document}, below its title and authors, without
comments and with accents written out (\"a is "ä": else no word with one would be found). All other markup stays: models
read it, and formulas need it.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.headings import HeadingTrail, one_line
from app.formats.spans import trimmed

# An environment up to this length is one passage, blank lines or not: about the size of a chunk.
_WHOLE_NUM_CHARS = 2000

# Environments that may be left open inside another: more of them, and it is the end that is wrong.
_MAX_NUM_LEFT_OPEN = 3

# A title, list of authors or heading whose braces close later than this has lost one.
_MAX_TITLE_NUM_CHARS = 2000
_MAX_HEADING_NUM_CHARS = 300

_LITERAL = r"\\begin\{(?P<literal>verbatim\*?|Verbatim|lstlisting|minted|comment)\}"
_NOISE = re.compile(
    rf"^[ \t]*+%[^\n]*+\n?|{_LITERAL}"
    r"|(?P<kept>\\verb\*?(?P<mark>[^\w\s*])[^\n]{0,200}?(?P=mark)|\\.)|%[^\n]*+",
    re.MULTILINE,
)

_ACCENTED = re.compile(
    r"\\\\|(?P<open>\{)?\\(?:"
    r"(?:(?P<mark>[\"'`^~=.])[ \t]*|(?P<word>[cvuHkr])(?:[ \t]+|(?=\{)))"
    r"(?:\{\\?(?P<braced>[A-Za-z])\}|\\?(?P<bare>[A-Za-z]))"
    r"|(?P<letter>ss|ae|AE|oe|OE|aa|AA|[oOlLij])(?![A-Za-z(_^])(?:\{\}|[ \t]+)?"
    r")(?(open)\})"
)
_COMBINING: dict[str, str] = {
    '"': "\u0308",
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
    "c": "\u0327",
    "v": "\u030c",
    "u": "\u0306",
    "H": "\u030b",
    "k": "\u0328",
    "r": "\u030a",
}
_LETTERS: dict[str, str] = {
    "ss": "ß",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "aa": "å",
    "AA": "Å",
    "o": "ø",
    "O": "Ø",
    "l": "ł",
    "L": "Ł",
    "i": "i",
    "j": "j",
}

_LEVELS = {
    "part": 1,
    "chapter": 2,
    "section": 3,
    "subsection": 4,
    "subsubsection": 5,
    "paragraph": 6,
    "subparagraph": 7,
    # Slides.
    "begin{frame}": 8,
    "frametitle": 8,
}
_ARGUMENTS = r"(?![A-Za-z])\*?[ \t]*(?:<[^<>\n]{0,50}>)?(?:\[[^\[\]\n]{0,300}\])?[ \t]*\n?[ \t]*\{"
_BORDER = re.compile(
    rf"\\(?P<section>{'|'.join(map(re.escape, _LEVELS))}){_ARGUMENTS}|{_LITERAL}"
    r"|\\(?P<edge>begin|end)\{(?P<name>[^{}\n]{1,40})\}|(?P<gap>\n(?:[^\S\n]*+\n)+)|\\."
)
_AND = re.compile(r"\s*\\and(?![A-Za-z])\s*", re.IGNORECASE)
_GAP = re.compile(r"\n(?:[^\S\n]*+\n)+")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)

# Paragraphs of nothing else are instructions for the page.
_LAYOUT = re.compile(
    r"(?:\s++|\\(?:maketitle|tableofcontents|listoffigures|listoftables|(?:new|clear|cleardouble)page|pagebreak|appendix"
    r"|(?:front|main|back)matter|(?:big|med|small)skip|noindent|centering|printbibliography|printindex|[vh]fill)(?![A-Za-z])"
    r"|\\(?:bibliography(?:style)?|(?:this)?pagestyle|pagenumbering|[vh]space\*?|label|setcounter\{\w*\})\{[^{}\n]*\})*+"
)

# Of headings and titles: what is no word of them, commands whose argument is, and commands that are words themselves.
_ASIDE = re.compile(
    r"\\(?:label|footnote|thanks|index|cite[a-z]*|vspace|hspace)\*?(?:\[[^\]]*\])?\{(?:[^{}]|\{[^{}]*\})*+\}"
)
_SWITCH = re.compile(
    r"\\(?:[A-Za-z]+\*?(?=\s*\{(?!\}))|(?:tiny|small|large|Large|LARGE|huge|Huge|bf|it|sc|tt|sf|rm|em|(?:bf|it|sc|tt|sf|rm)"
    r"(?:series|shape|family)|normalfont|centering|noindent|protect|newline|linebreak)(?![A-Za-z])|[^A-Za-z\s&%$#_{}])"
)


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading: where its command starts, and its words."""

    start: int
    level: int
    title: str


def extract(data: bytes, name: str) -> ExtractedDocument:
    r"""Raises NotText. The title is that of \title, else the file name without its suffix."""
    source = _cleaned(decode(data, name))
    title = _words(_argument(source, "title"))
    authors = _words(_AND.sub(", ", _argument(source, "author")))
    head = "\n".join(filter(None, (title, authors)))
    text = f"{head}\n\n{_body(source)}" if head else _body(source)
    return ExtractedDocument(one_line(title) or PurePath(name).stem, text, tuple(_passages(text)))


def _cleaned(source: str) -> str:
    """Without comments, and with accents written out except where the source is shown as it stands."""
    parts: list[str] = []
    prose_start = position = 0
    while noise := _NOISE.search(source, position):
        position = noise.end()
        if noise["kept"] and not noise["mark"]:
            continue
        parts.append(_with_accents(source[prose_start : noise.start()]))
        if noise["literal"]:
            position = _end_of_literal(source, noise)
        if (noise["literal"] or noise["kept"]) and noise["literal"] != "comment":
            parts.append(source[noise.start() : position])
        prose_start = position
    parts.append(_with_accents(source[prose_start:]))
    return "".join(parts)


def _end_of_literal(text: str, begin: re.Match[str]) -> int:
    """Behind the environment that begins there and whose content is no LaTeX; an open one reaches to the end."""
    end = f"\\end{{{begin['literal']}}}"
    found = text.find(end, begin.end())
    return len(text) if found < 0 else found + len(end)


def _with_accents(source: str) -> str:
    return _ACCENTED.sub(_accented, source)


def _accented(match: re.Match[str]) -> str:
    if match["letter"]:
        return _LETTERS[match["letter"]]
    letter = match["braced"] or match["bare"]
    return unicodedata.normalize("NFC", letter + _COMBINING[match["mark"] or match["word"]]) if letter else match[0]


def _argument(source: str, command: str) -> str:
    """The argument of the first such command; empty without one."""
    match = re.search(rf"\\{command}{_ARGUMENTS}", source)
    return source[match.end() : _end_of_group(source, match.end(), _MAX_TITLE_NUM_CHARS)] if match else ""


def _end_of_group(text: str, start: int, max_num_chars: int) -> int:
    """Where the brace that was opened before `start` closes; the end of the line when it does not soon."""
    depth = 1
    for brace in _BRACE.finditer(text, start, start + max_num_chars):
        depth += (brace[0] == "{") - (brace[0] == "}")
        if depth == 0:
            return brace.start()
    end = min(len(text), start + max_num_chars)
    line_end = text.find("\n", start, end)
    return end if line_end < 0 else line_end


def _words(source: str) -> str:
    """The words of a heading, on one line."""
    source = _SWITCH.sub(" ", _ASIDE.sub("", source)).replace("~", " ")
    return " ".join(re.sub(r"[{}\\]", "", source).split())


def _body(source: str) -> str:
    _, begin, body = source.partition(r"\begin{document}")
    return (body if begin else source).partition(r"\end{document}")[0]


def _passages(text: str) -> Iterator[Passage]:
    trail = HeadingTrail()
    start = 0
    for border in [*_borders(text), len(text)]:
        position = border.start if isinstance(border, _Section) else border
        span = trimmed(text, start, position)
        if span and not _LAYOUT.fullmatch(text, *span):
            yield Passage(*span, heading=trail.breadcrumb)
        if isinstance(border, _Section):
            trail.enter(border.level, border.title)
        start = position


def _borders(text: str) -> list[_Section | int]:
    """Where passages begin: sections, and blank lines outside short environments; in order."""
    borders: list[_Section | int] = []
    open_environments: list[tuple[str, int]] = []
    position = 0
    while match := _BORDER.search(text, position):
        position = match.end()
        if match["gap"]:
            borders.append(position)
        elif match["literal"]:
            position = _end_of_literal(text, match)
            if position - match.start() > _WHOLE_NUM_CHARS:
                borders += (gap.end() for gap in _GAP.finditer(text, match.end(), position))
        elif match["section"]:
            position = _end_of_group(text, match.end(), _MAX_HEADING_NUM_CHARS)
            title = _words(text[match.end() : position])
            borders.append(_Section(match.start(), _LEVELS[match["section"]], title))
        if match["section"] == "begin{frame}":
            open_environments.append(("frame", match.start()))
        elif match["edge"] == "begin":
            open_environments.append((match["name"], match.start()))
        elif match["edge"] == "end":
            _close(match["name"], match.end(), open_environments, borders)
    return borders


def _close(name: str, end: int, open_environments: list[tuple[str, int]], borders: list[_Section | int]) -> None:
    """Ends an environment, and those inside it that were left open; blank lines in a short one are no borders."""
    if name not in [open_name for open_name, _ in open_environments[-_MAX_NUM_LEFT_OPEN:]]:
        return
    open_name, start = open_environments.pop()
    while open_name != name:
        open_name, start = open_environments.pop()
    if end - start > _WHOLE_NUM_CHARS:
        return
    while borders and isinstance(borders[-1], int) and borders[-1] > start:
        borders.pop()
