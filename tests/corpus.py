"""Thousands of files as people have them, and some as nobody should: `write_corpus`, for `tests.check_corpus`.

Good ones are stories in every format, language and size; broken ones come from `tests.corpus_broken`; foreign ones are
the test files of libraries that read the same formats, out of their source packages.
"""

import random
import sys
import sysconfig
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from app.formats.registry import is_supported
from tests.corpus_broken import Entry, Fate, write_broken
from tests.corpus_formats import WRITERS
from tests.corpus_stories import LANGUAGES, tell

SOURCE_PACKAGES = (
    "beautifulsoup4",
    "docutils",
    "lxml",
    "markdown-it-py",
    "nbconvert",
    "nbformat",
    "odfpy",
    "pypdf",
    "pypdfium2",
    "python-docx",
    "python-pptx",
)
"""MIT, BSD or public domain, but odfpy (Apache-2.0 or GPL). They are read here, and not passed on."""

# Blocks of a story: a note, an article, a chapter, a book; and how many of a hundred are so long.
_SIZES, _SHARES = (1, 6, 30, 150, 1500), (20, 50, 20, 9, 1)

# Of one suffix in one package. They have hundreds of source files, which are all alike to us.
_MAX_NUM_ALIKE = 80
_MAX_NUM_ALIKE_SOURCES = 10
_DOCUMENT_SUFFIXES = {*WRITERS} - {".py", ".js", ".c", ".rs", ".go", ".sql", ".sh", ".css"}
_MAX_FOREIGN_NUM_BYTES = 20 * 1024 * 1024

_NAMES = (
    "notes",
    "Über uns",
    "Протокол",
    "report (final) v2",
    "議事録",
    "αναφορά",
    "it's 100% done",
    "a.b.c",
    "x" * 120,
)
_FOLDER_NUM_FILES = 25


def write_corpus(folder: Path, outside: Path, num_good: int, sources: Path | None = None) -> list[Entry]:
    """Writes the corpus below `folder`, and what links of it lead to into `outside`; tells what must become of each.

    `sources` holds source packages (.tar.gz). The same arguments write the same good and broken files.
    """
    return [
        *_write_good(folder / "good", num_good),
        *write_broken(folder / "broken", outside),
        *_write_foreign(folder / "foreign", sources),
    ]


def _write_good(folder: Path, num_files: int) -> Iterator[Entry]:
    suffixes = list(WRITERS)
    for number in range(num_files):
        chance = random.Random(-1 - number)
        suffix = suffixes[number % len(suffixes)]
        story = tell(number, chance.choice(LANGUAGES), chance.choices(_SIZES, _SHARES)[0])
        path = _good_path(folder, number, suffix, chance)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WRITERS[suffix](story, chance))
        yield Entry(path, f"good {suffix or 'README'}", Fate.FOUND, story.word)


def _good_path(folder: Path, number: int, suffix: str, chance: random.Random) -> Path:
    group = number // _FOLDER_NUM_FILES
    # Some folders lie deep inside others.
    for level in range(group % 12):
        folder /= f"{_NAMES[(group + level) % (len(_NAMES) - 1)]}"
    folder /= f"folder {group}"
    if not suffix:
        return folder / chance.choice(("README", "LICENSE", "Notes", "TODO", "changelog"))
    return folder / f"{number} {chance.choice(_NAMES)}{suffix.upper() if chance.random() < 0.1 else suffix}"


def _write_foreign(folder: Path, sources: Path | None) -> Iterator[Entry]:
    for archive in sorted(sources.glob("*.tar.gz")) if sources else ():
        yield from _unpack(archive, folder / archive.name.removesuffix(".tar.gz"))
    yield from _write_messages(folder / "messages")


def _unpack(archive: Path, folder: Path) -> Iterator[Entry]:
    """The documents of a source package, in one folder; whatever else it holds is not touched."""
    folder.mkdir(parents=True)
    num_alike: Counter[str] = Counter()
    with tarfile.open(archive) as members:
        for member in members:
            name = Path(member.name)
            num_alike[name.suffix] += 1
            is_document = is_supported(name) and not name.name.startswith(".")
            wanted = member.isfile() and is_document and member.size <= _MAX_FOREIGN_NUM_BYTES
            limit = _MAX_NUM_ALIKE if name.suffix in _DOCUMENT_SUFFIXES else _MAX_NUM_ALIKE_SOURCES
            if not wanted or num_alike[name.suffix] > limit:
                continue
            content = members.extractfile(member)
            assert content
            # In a folder of its own: names such as README say what a file is.
            path = folder / f"{sum(num_alike.values())}" / name.name
            path.parent.mkdir()
            path.write_bytes(content.read())
            kind = name.suffix.lower() if name.suffix in _DOCUMENT_SUFFIXES else "source code"
            yield Entry(path, f"foreign {kind or 'README'}", Fate.EITHER)


def _write_messages(folder: Path) -> Iterator[Entry]:
    """The messages that Python tests its own parser with, where it is installed with its tests."""
    found = sorted(Path(sysconfig.get_paths()["stdlib"], "test", "test_email", "data").glob("msg_*.txt"))
    for source in found:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{source.stem}.eml"
        path.write_bytes(source.read_bytes())
        yield Entry(path, "foreign .eml", Fate.EITHER)


def main() -> None:
    """`python -m tests.corpus FOLDER NUM_GOOD`: write it, to look at."""
    folder = Path(sys.argv[1])
    (folder / "outside").mkdir(parents=True)
    write_corpus(folder / "documents", folder / "outside", int(sys.argv[2]))


if __name__ == "__main__":
    main()
