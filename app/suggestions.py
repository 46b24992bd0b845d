"""Questions for somebody who does not know yet what to ask: made from titles and headings, not by the model.

`suggested_questions` looks at some documents only, so that ten thousand cost no more than fifty, and belongs to the
thread of its index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.formats.headings import SEPARATOR

if TYPE_CHECKING:
    from app.wiring import Parts
    from storage.values import Document

_NUM_LOOKED_AT = 24
"""Documents, spread over all there are; a few of them have no heading that a question can be made of."""

_MIN_BYTES, _MAX_CHARACTERS = 4, 48
"""Of a heading or a title: less than four Latin letters, or two Chinese ones, says nothing; longer ones do not fit on a
line with the rest."""

_BARE = frozenset(
    (
        "introduction",
        "overview",
        "contents",
        "index",
        "abstract",
        "conclusion",
        "summary",
        "references",
        "appendix",
        "notes",
        "preface",
        "foreword",
        "acknowledgements",
        "license",
        "changelog",
    )
)
"""Headings that stand in every document, and so ask for nothing."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a document: its title, and some of its headings, breadcrumbs as extracted."""

    title: str
    headings: tuple[str, ...] = ()


def suggested_questions(parts: "Parts", limit: int = 3) -> list[str]:
    """Up to `limit` questions about different documents, steeped ones first; none where nothing was read yet."""
    index = parts.index
    readable = [document for document in index.documents() if document.num_chunks]
    steeped = _steeped(parts)
    chosen = _spread([document for document in readable if document.path in steeped])
    chosen += _spread([document for document in readable if document.path not in steeped])
    outlines: list[Outline] = []
    for document in chosen[:_NUM_LOOKED_AT]:
        ordinals = sorted({0, document.num_chunks // 3, 2 * document.num_chunks // 3})
        chunks = [index.chunk_at(document.path, ordinal) for ordinal in ordinals]
        headings = tuple(chunk.chunk.heading for chunk in chunks if chunk and chunk.chunk.heading)
        outlines.append(Outline(_title(document), headings))
    return questions_of(outlines, limit)


def questions_of(outlines: Iterable[Outline], limit: int) -> list[str]:
    """One question per document; those with a heading that tells something come first. Pure."""
    precise: list[str] = []
    vague: list[str] = []
    for outline in outlines:
        title = " ".join(outline.title.split())
        heading = next((heading for heading in map(_last_part, outline.headings) if _tells(heading, title)), None)
        if heading and _fits(title):
            precise.append(f"What does “{title}” say about “{heading}”?")
        elif heading:
            precise.append(f"What is said about “{heading}”?")
        elif _fits(title):
            vague.append(f"What is “{title}” about?")
    return list(dict.fromkeys([*precise, *vague]))[:limit]


def _last_part(heading: str) -> str:
    return " ".join(heading.rpartition(SEPARATOR)[2].split())


def _tells(heading: str, title: str) -> bool:
    return _fits(heading) and heading.casefold() not in _BARE and heading.casefold() != title.casefold()


def _fits(text: str) -> bool:
    is_quotable = not set(text) & set("“”\ufffd")
    is_long_enough = len(text.encode("utf-8", "replace")) >= _MIN_BYTES
    return is_long_enough and len(text) <= _MAX_CHARACTERS and is_quotable and any(map(str.isalpha, text))


def _title(document: "Document") -> str:
    return document.title or document.path.stem


def _steeped(parts: "Parts") -> set[Path]:
    from storage.values import DocumentStage

    standings = parts.index.standings()
    return {standing.path for standing in standings if standing.stage is DocumentStage.STEEPED}


def _spread(documents: Sequence["Document"]) -> list["Document"]:
    """Some of them, from all over the list: neighbours are often about the same."""
    step = max(1, len(documents) // _NUM_LOOKED_AT)
    return list(documents[::step][:_NUM_LOOKED_AT])
