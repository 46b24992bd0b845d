"""Which files are documents, and how each kind is read.

`read_document` is the one way from a path to an ExtractedDocument; whatever is wrong with a file it raises
UnreadableDocument, so that one bad file never stops the others.
"""

import stat
from collections.abc import Callable
from pathlib import Path, PurePath

from app.formats import html, markdown, plain_text, source_code
from app.formats.errors import CannotOpen, NothingToRead, TooLarge, UnknownFormat
from app.formats.extracted import ExtractedDocument

Extractor = Callable[[bytes, str], ExtractedDocument]

# A long novel is 3 MiB. Text beyond 32 MiB is a log or a data dump: some 8 million tokens, days of steeping.
MAX_NUM_BYTES = 32 * 1024 * 1024

# Not here on purpose: .json, .csv, .lock and the like. They are data; as prose they are long and say little.
_SOURCE_SUFFIXES = (
    ".py .pyi .js .mjs .cjs .jsx .ts .tsx .vue .svelte .css .scss .less .c .h .cc .cpp .cxx .hh .hpp .hxx "
    ".m .mm .cs .fs .vb .java .kt .kts .scala .groovy .gradle .go .rs .zig .nim .d .swift .dart .rb .php "
    ".pl .pm .lua .r .jl .hs .ml .mli .elm .ex .exs .erl .hrl .clj .cljs .el .lisp .scm .rkt .sh .bash "
    ".zsh .fish .ps1 .bat .cmd .sql .proto .graphql .tf .cmake .mk .toml .yaml .yml .ini .cfg .asm .s "
    ".f90 .pas .v .sv .vhd .cu .cl .glsl "
)

_EXTRACTORS: dict[str, Extractor] = {
    **dict.fromkeys((".txt", ".text"), plain_text.extract),
    **dict.fromkeys((".md", ".markdown", ".mdown"), markdown.extract),
    **dict.fromkeys((".html", ".htm", ".xhtml"), html.extract),
    **dict.fromkeys(_SOURCE_SUFFIXES.split(), source_code.extract),
}

# Source files whose whole name says what they are, in lower case.
_SOURCE_NAMES = {"makefile", "dockerfile", "containerfile", "justfile", "rakefile", "gemfile", "jenkinsfile"}


def is_supported(path: PurePath) -> bool:
    """Whether the name says that this is a kind of file we read; the file is not touched."""
    return _extractor(path.name) is not None


def extract(path_name: str, data: bytes) -> ExtractedDocument:
    """The document in `data`, read as the kind that the file name says. Raises UnreadableDocument."""
    name = PurePath(path_name).name
    extractor = _extractor(name)
    if extractor is None:
        raise UnknownFormat(name, "is of a kind that cannot be read yet")
    return extractor(data, name)


def read_document(path: Path, max_num_bytes: int = MAX_NUM_BYTES) -> ExtractedDocument:
    """The document in the file, with at least one passage. Raises UnreadableDocument."""
    data = _read(path, max_num_bytes)
    if not data:
        raise NothingToRead(path.name, "is empty")
    document = extract(path.name, data)
    if not document.passages:
        raise NothingToRead(path.name, "holds no readable text")
    return document


def _extractor(name: str) -> Extractor | None:
    if name.lower() in _SOURCE_NAMES:
        return source_code.extract
    return _EXTRACTORS.get(PurePath(name).suffix.lower())


def _read(path: Path, max_num_bytes: int) -> bytes:
    try:
        # Opening a pipe or a device would wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise CannotOpen(path.name, "is not a file")
        with path.open("rb") as file:
            data = file.read(max_num_bytes + 1)
    except OSError as error:
        raise CannotOpen(path.name, _plain_words(error)) from error
    if len(data) > max_num_bytes:
        raise TooLarge(path.name, f"is larger than the limit of {max_num_bytes:,} bytes")
    return data


def _plain_words(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "does not exist (any more)"
        case PermissionError():
            return "may not be read: permission denied"
        case _:
            return f"could not be read: {error.strerror or error}"
