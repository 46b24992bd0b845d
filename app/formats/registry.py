"""Which files are documents, and how each kind is read.

Whatever is wrong with a file, reading it raises UnreadableDocument, so that one bad file never stops the others.
A parser may still hang or crash on bytes that nobody foresaw: `app.reader` therefore calls `read_file` in processes
of its own. A format's module is imported when its first file is read; asking whether a name is a document imports
none.
"""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path, PurePath

from app.formats.errors import CannotOpen, NothingToRead, TooLarge, UnknownFormat
from app.formats.extracted import ExtractedDocument
from app.formats.storable import is_storable, replaced

Extractor = Callable[[bytes, str], ExtractedDocument]

# A long novel is 3 MiB. Text beyond 32 MiB is a log or a data dump: some 8 million tokens, days of steeping.
MAX_TEXT_NUM_BYTES = 32 * 1024 * 1024

# Mailboxes and notebooks hold text, and pictures and attachments written as text. Parsed, they take a few times their
# size, and a reader has 1 GiB.
MAX_MIXED_NUM_BYTES = 128 * 1024 * 1024

# Mostly pictures and fonts, which nobody reads: a scanned book is 100 to 300 MiB and holds 1 MiB of text. Half of the
# 1 GiB that a reader has; the other half is for what is unpacked of it.
MAX_PACKED_NUM_BYTES = 512 * 1024 * 1024

MAX_NUM_CHARS = 32 * 1024 * 1024
"""Text that one document may hold, whatever its kind: as much as the largest text file."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of document: the module that reads it, as `extract(data, name)`, and its size limit."""

    module: str
    max_num_bytes: int = MAX_TEXT_NUM_BYTES

    def extractor(self) -> Extractor:
        return import_module(f"app.formats.{self.module}").extract


_PLAIN_TEXT = _Kind("plain_text")
_SOURCE_CODE = _Kind("source_code")

_SOURCE_SUFFIXES = (
    ".py .pyi .js .mjs .cjs .jsx .ts .tsx .vue .svelte .css .scss .less .c .h .cc .cpp .cxx .hh .hpp .hxx "
    ".m .mm .cs .fs .vb .java .kt .kts .scala .groovy .gradle .go .rs .zig .nim .d .swift .dart .rb .php "
    ".pl .pm .lua .r .jl .hs .ml .mli .elm .ex .exs .erl .hrl .clj .cljs .el .lisp .scm .rkt .sh .bash "
    ".zsh .fish .ps1 .bat .cmd .sql .proto .graphql .tf .cmake .mk .ini .cfg .asm .s "
    ".f90 .pas .v .sv .vhd .cu .cl .glsl"
)

_SUFFIXES: tuple[tuple[_Kind, str], ...] = (
    (_Kind("pdf.document", MAX_PACKED_NUM_BYTES), ".pdf"),
    (_Kind("zipped.docx", MAX_PACKED_NUM_BYTES), ".docx .docm"),
    (_Kind("zipped.odt", MAX_PACKED_NUM_BYTES), ".odt"),
    (_Kind("zipped.pptx", MAX_PACKED_NUM_BYTES), ".pptx .ppsx"),
    (_Kind("zipped.epub", MAX_PACKED_NUM_BYTES), ".epub"),
    (_Kind("mail", MAX_MIXED_NUM_BYTES), ".eml .mbox"),
    (_Kind("notebook", MAX_MIXED_NUM_BYTES), ".ipynb"),
    (_Kind("html"), ".html .htm .xhtml"),
    (_Kind("markdown"), ".md .markdown .mdown .mdx .qmd .rmd"),
    (_Kind("data.delimited"), ".csv .tsv"),
    (_Kind("data.structured_data"), ".json .jsonl .ndjson .geojson .yaml .yml .toml"),
    (_Kind("latex"), ".tex .ltx"),
    (_Kind("org"), ".org"),
    (_Kind("rst"), ".rst .rest"),
    (_PLAIN_TEXT, ".txt .text .log .asc .adoc"),
    (_SOURCE_CODE, _SOURCE_SUFFIXES),
)
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES for suffix in suffixes.split()}

# Files whose whole name says what they are, in lower case.
_TEXT_NAMES = (
    "readme license licence copying copyright notice authors contributors credits thanks changelog changes history "
    "news notes todo faq install contributing"
)
_SOURCE_NAMES = "makefile dockerfile containerfile justfile rakefile gemfile jenkinsfile"
_BY_NAME = {
    **dict.fromkeys(_TEXT_NAMES.split(), _PLAIN_TEXT),
    **dict.fromkeys(_SOURCE_NAMES.split(), _SOURCE_CODE),
}

# Written by programs for programs, under suffixes that people write too: lists of versions, and code packed or
# generated. They are long, repeat what stands elsewhere, and would be found for every word in them.
_LOCK_FILES = (
    "package-lock.json npm-shrinkwrap.json pnpm-lock.yaml deno.lock bun.lock packages.lock.json project.assets.json "
    "conda-lock.yml"
)
_GENERATED_NAMES = frozenset(_LOCK_FILES.split())
_GENERATED_CODE = (
    ".min.js .min.mjs .min.css .bundle.js _pb2.py _pb2.pyi _pb2_grpc.py .pb.go .pb.h .pb.cc .g.dart .designer.cs"
)
_GENERATED_ENDINGS = tuple(_GENERATED_CODE.split())

# Opening a pipe would wait for a writer, and a terminal may take over its opener. Links are left out by the folder
# scan, and must not come in by replacing a file between scan and reading. Windows has none of the three, but a text
# mode.
_OPEN_FLAGS = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_NOCTTY", "O_NOFOLLOW", "O_BINARY"):
    _OPEN_FLAGS |= getattr(os, _flag, 0)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A document with the size and time that its file had before it was read: a later change is seen as one."""

    document: ExtractedDocument
    num_bytes: int
    mtime_ns: int


def is_supported(path: PurePath) -> bool:
    """Whether the name says that this is a kind of file we read; the file is not touched."""
    return _kind(path.name) is not None


def extract(path_name: str, data: bytes) -> ExtractedDocument:
    """The document in `data`, read as the kind that the file name says. Raises UnreadableDocument."""
    name = PurePath(path_name).name
    return _known_kind(name).extractor()(data, name)


def read_file(path: Path, max_num_bytes: int | None = None) -> ReadFile:
    """The document in the file, with at least one passage, and what tells whether the file has changed since.

    The file is opened once; `max_num_bytes` defaults to the limit of its kind. Raises UnreadableDocument.
    """
    kind = _known_kind(path.name)
    data, status = _read(path, kind.max_num_bytes if max_num_bytes is None else max_num_bytes)
    if not data:
        raise NothingToRead(path.name, "is empty")
    document = kind.extractor()(data, path.name)
    if not document.passages:
        raise NothingToRead(path.name, "holds no readable text")
    if len(document.text) > MAX_NUM_CHARS:
        raise TooLarge(path.name, f"holds more text than the limit of {MAX_NUM_CHARS:,} characters")
    return ReadFile(_storable(document), status.st_size, status.st_mtime_ns)


def _storable(document: ExtractedDocument) -> ExtractedDocument:
    """The document with U+FFFD, one for one, in place of what cannot be stored."""
    headings = {passage.heading for passage in document.passages if passage.heading}
    if all(map(is_storable, (document.title, document.text, *headings))):
        return document
    mended = {heading: replaced(heading) for heading in headings}
    return ExtractedDocument(
        replaced(document.title),
        replaced(document.text),
        tuple(replace(each, heading=mended.get(each.heading or "")) for each in document.passages),
    )


def _known_kind(name: str) -> _Kind:
    kind = _kind(name)
    if kind is None:
        raise UnknownFormat(name, "is of a kind that cannot be read yet")
    return kind


def _kind(name: str) -> _Kind | None:
    name = name.lower()
    if name in _GENERATED_NAMES or name.endswith(_GENERATED_ENDINGS):
        return None
    suffix = PurePath(name).suffix
    return _BY_SUFFIX.get(suffix) if suffix else _BY_NAME.get(name)


def _read(path: Path, max_num_bytes: int) -> tuple[bytes, os.stat_result]:
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CannotOpen(path.name, "is not a file")
            if status.st_size > max_num_bytes:
                raise TooLarge(path.name, f"is larger than the limit of {max_num_bytes:,} bytes")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(status.st_size), status
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CannotOpen(path.name, _plain_words(error)) from error


def _plain_words(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "does not exist (any more)"
        case PermissionError():
            return "may not be read: permission denied"
        case OSError(errno=errno.ELOOP):
            return "is a link, which is not followed"
        case _:
            return f"could not be read: {error.strerror or error}"
