"""Values ↔ what columns hold: paths, texts, moments, and queries of the full-text index. Pure, but for the clock."""

import json
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from storage.search_words import phrases


def path_in(path: Path) -> str | bytes:
    return name_in(str(path))


def name_in(text: str) -> str | bytes:
    """Paths of Linux are bytes, nearly always UTF-8; those that are not keep their bytes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def inside(folder: Path) -> tuple[str | bytes, str | bytes]:
    """What all paths inside a folder lie between."""
    return name_in(f"{folder}{os.sep}"), name_in(f"{folder}{chr(ord(os.sep) + 1)}")


def path_out(stored: str | bytes) -> Path:
    return Path(os.fsdecode(stored))


def storable(text: str) -> str:
    """SQLite takes UTF-8 only; a title, a reason or a query may quote a path with lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def now() -> int:
    return int(time.time())


def any_of(terms: Sequence[str]) -> str:
    """An FTS5 query for any of the words: each a quoted string, in which only the quote is special.

    A zero character would end the query in C: it becomes a space.
    """
    words = (phrase for term in terms for phrase in phrases(storable(term).replace("\0", " ")))
    quoted = ('"' + word.replace('"', '""') + '"' for word in words if word.strip())
    return " OR ".join(dict.fromkeys(quoted))


def as_json(numbers: Collection[int] | None) -> str | None:
    return None if numbers is None else json.dumps(list(numbers))
