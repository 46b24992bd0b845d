"""`steep ask --in PATH`: which documents to answer from. Pure.

A path names a file or a folder as seen from where the user is. If there is no such document, it is what a document's
path has somewhere: "notes", "2024/ferry.md", or a pattern in which `*` stands for anything within one name, `**` for
anything and `?` for one character. Brackets mean themselves: names have them. Patterns do not mind capital letters.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from app.errors import WrongUse
from app.wording import counted
from storage.values import Document

_PART = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")

_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def documents_in(paths: Iterable[str], documents: Iterable[Document], here: Path) -> frozenset[int]:
    """The ids of the documents that any of the paths names, seen from the folder `here`.

    Raises `WrongUse` for a path that names none, or none that could be read.
    """
    listed = list(documents)
    return frozenset(document.id for path in paths for document in _named(path, listed, here))


def _named(path: str, documents: list[Document], here: Path) -> list[Document]:
    place = Path(os.path.normpath(here / path))
    named = [document for document in documents if document.path == place or place in document.path.parents]
    if not named:
        pattern = _pattern(path, here)
        named = [document for document in documents if pattern.search(document.path.as_posix())]
    if not named:
        raise WrongUse(
            f"--in {path}: none of the {counted(len(documents), 'document')} is there or has that in its path. "
            f"Paths are seen from {here}; patterns need quotes: --in '*.pdf', --in 'notes/**'."
        )
    readable = [document for document in named if document.num_chunks]
    if not readable:
        reason = next((document.error for document in named if document.error), "no text was read there yet")
        raise WrongUse(f"--in {path}: there is nothing to answer from in {named[0].path}: {reason}")
    return readable


def _pattern(path: str, here: Path) -> re.Pattern[str]:
    """What finds the path in that of a document, whole names only; from the root on if it says where it begins."""
    begins = Path(path).is_absolute() or path.startswith(("./", "../"))
    wanted = Path(os.path.normpath(here / path if begins else path)).as_posix()
    names = "".join(_WILD.get(part) or re.escape(part) for part in _PART.findall(wanted))
    return re.compile(f"{'^' if begins else '(?:^|/)'}{names}(?:/|$)", re.IGNORECASE | re.DOTALL)
