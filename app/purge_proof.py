"""The proof that nothing is kept of a document or folder: what is looked at, and what is left.

Rows first (`storage.traces`). Where the documents can still be read, some of their words are then looked for in the
very bytes of all files of the program, but for chunk states and vectors, which hold no text, and models.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.folders.scan import scan
from app.formats.errors import UnreadableDocument
from app.reader import DocumentReader
from app.search.dense import purge_vectors
from app.wiring import Parts
from app.wording import counted, size
from storage.traces import Look, TraceSearch, find_words

_NUM_PHRASES = 100
"""Looked for at once: each costs 2 ms per 8 MB of files."""

_NUM_WORDS = 5
_LEAST_BYTES, _MOST_BYTES = 24, 256
"""Of a phrase: shorter ones are in other documents as well."""

_MOST_DOCUMENTS = 200
"""Read for their words; a folder may have 100,000."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked at, one after the other."""

    path: Path
    looks: tuple[Look, ...]
    num_turns_kept: int
    """Questions and answers that came from it; they stay."""
    also_in: tuple[str, ...]
    """Other documents, and conversations, that say the same words, and are kept."""

    @property
    def is_gone(self) -> bool:
        return not any(look.traces for look in self.looks)


def prove(parts: Parts, path: Path) -> Proof:
    """Look everywhere. Takes as long as reading the documents, and seconds per GB of index."""
    search = TraceSearch(parts.index, parts.locations.states_dir, parts.locations.vectors_dir, path)
    also_in: set[str] = set()
    looks = [*search.looks(), _look_at_bytes(parts, path, also_in)]
    return Proof(path, tuple(looks), search.num_turns_kept, tuple(sorted(also_in)))


def purge_what_is_left(parts: Parts) -> None:
    """Clear what no document accounts for; what is still watched or listed stays."""
    from storage.vectors import erase_unlisted

    parts.store.purge_unlinked()
    parts.store.sweep()
    purge_vectors(parts)
    erase_unlisted(parts.locations.vectors_dir, parts.index)
    parts.index.compact()


def _look_at_bytes(parts: Parts, path: Path, also_in: set[str]) -> Look:
    phrases = _phrases_of(path)
    files = list(_own_files(parts))
    num_bytes = sum(file.stat().st_size for file in files if file.exists())
    place = f"the very bytes of {counted(len(files), 'file')}, {size(num_bytes)}, for {counted(len(phrases), 'phrase')}"
    if not phrases:
        return Look("the very bytes of files: not done, as there is no document to take words from", ())
    traces: list[str] = []
    for file, phrase in find_words(files, phrases):
        others = [each for each in parts.index.who_says(phrase) if not Path(each).is_relative_to(path)]
        also_in.update(others)
        if not others:
            traces.append(f"{file} has words of it")
    return Look(place, tuple(dict.fromkeys(traces)))


def _own_files(parts: Parts) -> Iterator[Path]:
    locations = parts.locations
    without = (locations.states_dir, locations.vectors_dir, locations.models_dir, locations.downloads_dir)
    for root in sorted({locations.config_dir, locations.data_dir, locations.cache_dir}):
        for file in sorted(root.rglob("*")):
            if file.is_file() and not any(file.is_relative_to(each) for each in without):
                yield file


def _phrases_of(path: Path) -> list[str]:
    """Words of the documents that are there, as they would be stored."""
    paths = [found.path for found in scan(path).files][:_MOST_DOCUMENTS] if path.is_dir() else [path]
    phrases: list[list[str]] = []
    with DocumentReader() as reader:
        for each in paths:
            if each.is_file():
                try:
                    phrases.append(_spread(_phrases(reader.submit(each).result().document.text), _NUM_PHRASES))
                except UnreadableDocument:
                    continue
    return _spread([phrase for of_one in phrases for phrase in of_one], _NUM_PHRASES)


def _phrases(text: str) -> list[str]:
    found: list[str] = []
    for line in text.splitlines():
        words = line.split(" ")
        for start in range(0, len(words), _NUM_WORDS):
            phrase = " ".join(words[start : start + _NUM_WORDS])
            if _LEAST_BYTES <= len(phrase.encode(errors="replace")) <= _MOST_BYTES and phrase.isprintable():
                found.append(phrase)
    return found


def _spread(phrases: Sequence[str], number: int) -> list[str]:
    """So many of them, from everywhere."""
    step = max(len(phrases) / number, 1)
    return [phrases[int(at * step)] for at in range(min(number, len(phrases)))]
