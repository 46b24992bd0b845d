"""Files that no honest program wrote, or that were damaged since: `write_broken`, each with what must become of it."""

import os
import random
import socket
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from io import BytesIO
from pathlib import Path

from tests.corpus_formats import (
    PDF_HELVETICA,
    WRITERS,
    book,
    open_document,
    open_document_content,
    packed,
    pdf_file,
    pdf_pages,
    pdf_stream,
    word_document,
    word_package,
)
from tests.corpus_stories import Story, rare_word, tell


class Fate(Enum):
    """What must become of a file."""

    FOUND = "its word finds it"
    REFUSED = "listed with a reason, without text"
    EITHER = "read, or listed with a reason"
    NOTHING = "listed or not, without text"
    ABSENT = "not listed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the corpus. `word` stands in it; in one that must be found, nowhere else."""

    path: Path
    kind: str
    fate: Fate
    word: str | None = None


_OFFICE = (".docx", ".odt", ".pptx", ".epub")
_TEXT = (".txt", ".md", ".html", ".csv", ".json", ".ipynb", ".tex", ".org", ".rst", ".py")
_BINARY = (".pdf", *_OFFICE)

_MANY = 100_000
_BOMB_NUM_BYTES = 1024 * 1024 * 1024

_Made = Iterator[tuple[str, bytes, Fate]]
"""Name, content and fate."""


def write_broken(folder: Path, outside: Path) -> list[Entry]:
    """Writes them below `folder`, a folder per kind; links lead to `outside`, where nobody is asked to read."""
    entries = []
    for kind, made in _KINDS.items():
        (folder / kind).mkdir(parents=True)
        for name, data, fate in made():
            path = folder / kind / name
            path.write_bytes(data)
            entries.append(Entry(path, kind, fate))
    return entries + _special(folder, outside)


def _story(number: int) -> Story:
    """None of their words is looked for; those of the good ones begin at 0."""
    return tell(900_000 + number, "en", 12)


def _good(suffix: str, number: int = 0) -> bytes:
    return WRITERS[suffix](_story(number), random.Random(number))


def _truncated() -> _Made:
    for number, suffix in enumerate(_OFFICE * 3):
        data = _good(suffix, number)
        yield f"{number}{suffix}", data[: len(data) * (1 + number // 4) // 4], Fate.REFUSED
    for number, share in enumerate((0.02, 0.5, 0.9)):
        data = _good(".pdf", number)
        # Viewers mend PDFs that lack their end.
        yield f"{number}.pdf", data[: int(len(data) * share)], Fate.REFUSED if share < 0.1 else Fate.EITHER


def _random_bytes() -> _Made:
    for number, suffix in enumerate((*_BINARY, *_TEXT, ".eml", ".mbox", ".yaml", ".toml", ".jsonl", ".tsv", "")):
        yield f"noise{suffix}" if suffix else "README", random.Random(number).randbytes(5000), Fate.REFUSED


def _flipped_bits() -> _Made:
    for number, suffix in enumerate(_BINARY * 4):
        chance = random.Random(number)
        data = bytearray(_good(suffix, number))
        for _ in range(20):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        yield f"{number}{suffix}", bytes(data), Fate.EITHER


def _wrong_suffix() -> _Made:
    picture = b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(3000)
    program = b"\x7fELF\x02\x01\x01" + bytes(500) + random.Random(2).randbytes(3000)
    for suffix in (*_BINARY, ".txt", ".md", ".html"):
        yield f"picture{suffix}", picture, Fate.REFUSED
        yield f"program{suffix}", program, Fate.REFUSED
    page = _good(".html")
    for suffix in _BINARY:
        yield f"page{suffix}", page, Fate.REFUSED
    for suffix, other in zip(_OFFICE, (*_OFFICE[1:], _OFFICE[0]), strict=True):
        yield f"other{other}", _good(suffix), Fate.REFUSED
    yield "old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000), Fate.REFUSED
    yield "archive.epub", packed({"a.txt": "goat"}), Fate.REFUSED
    yield "archive.docx", packed({"a.txt": "goat"}), Fate.REFUSED


def _encrypted() -> _Made:
    keys = f"/O<{'ab' * 32}>/U<{'cd' * 32}>"
    secret = f"/ID[<00><00>]/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -4{keys}>>"
    yield "password.pdf", pdf_pages([b"BT /F 9 Tf (goat) Tj ET"], PDF_HELVETICA, secret), Fate.REFUSED
    yield "strange.pdf", pdf_pages([b"BT (goat) Tj ET"], PDF_HELVETICA, "/Encrypt<</Filter/Unheard>>"), Fate.REFUSED
    for suffix in _OFFICE:
        yield f"members{suffix}", _with_encryption_flags(_good(suffix)), Fate.REFUSED
    envelope = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)
    yield "envelope.docx", envelope, Fate.REFUSED
    yield "envelope.pptx", envelope, Fate.REFUSED
    protected = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#">'
        '<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes256-cbc"/>'
        '<CipherData><CipherReference URI="OEBPS/a.xhtml"/></CipherData></EncryptedData></encryption>'
    )
    chapter = {"a.xhtml": random.Random(5).randbytes(900).decode("latin-1")}
    yield "protected.epub", book(chapter, "t", {"META-INF/encryption.xml": protected}), Fate.REFUSED


def _with_encryption_flags(archive: bytes) -> bytes:
    data = bytearray(archive)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(mark, place + 4)
    return bytes(data)


def _without_text() -> _Made:
    picture = pdf_stream(
        bytes(300), "/Type/XObject/Subtype/Image/Width 10/Height 10/ColorSpace/DeviceRGB/BitsPerComponent 8"
    )
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Resources<</XObject<</I 5 0 R>>>>/Contents 4 0 R>>"
    scan = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: page,
        4: pdf_stream(b"q 99 0 0 99 0 0 cm /I Do Q"),
        5: picture,
    }
    yield "scan.pdf", pdf_file(scan), Fate.REFUSED
    yield "lines.pdf", pdf_pages([b"0 0 m 99 99 l S"] * 3, PDF_HELVETICA), Fate.REFUSED
    yield "no_pages.pdf", pdf_pages([], PDF_HELVETICA), Fate.REFUSED
    yield "empty.docx", word_package(word_document("<w:p/>")), Fate.REFUSED
    yield "empty.odt", open_document(open_document_content("<text:p/>")), Fate.REFUSED
    yield "empty.epub", book({}, "t"), Fate.REFUSED
    yield "script.html", b"<html><head><script>var a = 1;</script></head></html>", Fate.REFUSED
    yield "spaces.txt", b" \n\t \n" * 100, Fate.REFUSED
    yield "front.md", b"---\ntitle: x\n---\n", Fate.REFUSED
    yield "empty.ipynb", b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', Fate.REFUSED


def _empty() -> _Made:
    for suffix in (*_BINARY, *_TEXT, ".eml", ".mbox"):
        yield f"empty{suffix}", b"", Fate.NOTHING


def _bombs() -> _Made:
    """Small files that become gigabytes."""
    for suffix, member in zip(
        _OFFICE, ("word/document.xml", "content.xml", "ppt/slides/slide1.xml", "OEBPS/chapter0.xhtml"), strict=True
    ):
        yield f"zip{suffix}", _inflating(_good(suffix), member, _BOMB_NUM_BYTES), Fate.REFUSED
        yield f"lying{suffix}", _inflating(_good(suffix), member, _BOMB_NUM_BYTES, told=1000), Fate.REFUSED
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    prologue = f'<!DOCTYPE x [<!ENTITY l0 "laugh">{laughs}]>'
    document = word_document("<w:p><w:r><w:t>&l11;</w:t></w:r></w:p>").replace("?>\n", f"?>{prologue}", 1)
    yield "laughs.docx", word_package(document), Fate.EITHER
    yield "laughs.odt", open_document(open_document_content("<text:p>&l11;</text:p>", prologue)), Fate.EITHER
    anchors = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 12))
    yield "laughs.yaml", f"l0: &l0 laugh\n{anchors}".encode(), Fate.EITHER
    spaces = f'<text:p>goat<text:s text:c="{10**10}"/></text:p><text:p><text:s text:c="{2**31 - 1}"/></text:p>'
    yield "spaces.odt", open_document(open_document_content(spaces)), Fate.EITHER
    cell = f'<table:table-cell table:number-columns-repeated="{10**9}"><text:p>goat</text:p></table:table-cell>'
    rows = f'<table:table-row table:number-rows-repeated="{10**9}">{cell}</table:table-row>'
    yield "rows.odt", open_document(open_document_content(f"<table:table>{rows}</table:table>")), Fate.EITHER
    content = pdf_pages([b"BT /F 9 Tf (goat) Tj ET" + b" " * (200 * 1024 * 1024)], PDF_HELVETICA)
    yield "stream.pdf", content, Fate.EITHER


def _inflating(archive: bytes, member: str, num_bytes: int, told: int | None = None) -> bytes:
    """The archive with that many spaces in place of a member; in its list they may be told to be fewer."""
    source, target = zipfile.ZipFile(BytesIO(archive)), BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as result:
        for name in source.namelist():
            if name != member:
                result.writestr(name, source.read(name))
        with result.open(member, "w", force_zip64=True) as inflating:
            for _ in range(num_bytes // 2**24):
                inflating.write(b" " * 2**24)
    data = target.getvalue()
    if told is not None:
        with zipfile.ZipFile(BytesIO(data)) as result:
            info = result.getinfo(member)
        data = data.replace(struct.pack("<Q", info.file_size), struct.pack("<Q", told))
    return data


def _nested() -> _Made:
    """Deeper than any parser may recurse, in every format that nests."""
    yield "list.html", b"<ul><li>" * _MANY + b"goat", Fate.EITHER
    yield "inline.html", b"<b><i>" * _MANY + b"goat", Fate.EITHER
    yield "table.html", b"<table><tr><td>" * (_MANY // 10) + b"goat", Fate.EITHER
    yield "quotes.md", b">" * _MANY + b" goat", Fate.EITHER
    yield "list.md", b"".join(b" " * 2 * level + b"- goat\n" for level in range(3000)), Fate.EITHER
    yield "emphasis.md", b"# " + b"*" * _MANY + b"goat", Fate.EITHER
    yield "brackets.md", b"# " + b"[" * _MANY + b"goat", Fate.EITHER
    yield "arrays.json", b"[" * _MANY + b'"goat"' + b"]" * _MANY, Fate.EITHER
    yield "objects.json", b'{"a":' * _MANY + b'"goat"' + b"}" * _MANY, Fate.EITHER
    yield "open.json", b"[" * _MANY, Fate.EITHER
    yield "lines.jsonl", b"[" * _MANY + b"\n" + b'{"a": "goat"}\n', Fate.EITHER
    yield "flow.yaml", b"[" * _MANY + b"goat" + b"]" * _MANY, Fate.EITHER
    yield "block.yaml", b"".join(b" " * level + b"a:\n" for level in range(3000)) + b" " * 3000 + b"goat", Fate.EITHER
    yield "arrays.toml", b"a = " + b"[" * _MANY + b'"goat"' + b"]" * _MANY, Fate.EITHER
    yield "tables.toml", b"[" + b".".join([b"a"] * _MANY) + b"]\nb = 'goat'\n", Fate.EITHER
    yield "arrays.ipynb", b'{"cells": ' + b"[" * _MANY, Fate.REFUSED
    yield "groups.tex", b"\\begin{document}" + b"{" * _MANY + b"goat" + b"}" * _MANY, Fate.EITHER
    yield "blocks.tex", b"\\begin{document}" + b"\\begin{center}" * (_MANY // 4) + b"goat", Fate.EITHER
    yield "blocks.org", b"#+begin_quote\n" * (_MANY // 4) + b"goat", Fate.EITHER
    yield "list.rst", b"".join(b" " * 2 * level + b"- goat\n\n" for level in range(2000)), Fate.EITHER
    boxes = "<w:sdt><w:sdtContent>" * _MANY + "<w:p/>" + "</w:sdtContent></w:sdt>" * _MANY
    yield "boxes.docx", word_package(word_document(boxes)), Fate.EITHER
    tables = "<w:tbl><w:tr><w:tc>" * 5000 + "<w:p><w:r><w:t>goat</w:t></w:r></w:p>" + "</w:tc></w:tr></w:tbl>" * 5000
    yield "tables.docx", word_package(word_document(tables)), Fate.EITHER
    sections = "<text:section>" * _MANY + "<text:p>goat</text:p>" + "</text:section>" * _MANY
    yield "sections.odt", open_document(open_document_content(sections)), Fate.EITHER
    spans = "<text:p>" + "<text:span>" * _MANY + "goat" + "</text:span>" * _MANY + "</text:p>"
    yield "spans.odt", open_document(open_document_content(spans)), Fate.EITHER
    yield "chapter.epub", book({"a.xhtml": "<html><body>" + "<div>" * _MANY + "goat"}, "t"), Fate.EITHER
    parts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(3000))
    yield "parts.eml", b"From: a@example.org\nSubject: goat\n" + parts + b"\ngoat\n", Fate.EITHER
    kids = {number: f"<</Type/Pages/Count 1/Kids[{number + 1} 0 R]>>".encode() for number in range(2, 5000)}
    yield "pages.pdf", pdf_file({1: b"<</Type/Catalog/Pages 2 0 R>>", **kids}), Fate.EITHER
    arrays = b"[" * _MANY + b"]" * _MANY
    yield "arrays.pdf", pdf_file({1: b"<</Type/Catalog/Pages 2 0 R/X " + arrays + b">>"}), Fate.EITHER


def _wrong_encoding() -> _Made:
    text = "\n\n".join(_story(3).paragraphs)
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le"):
        yield f"{encoding}.txt", text.encode(encoding), Fate.REFUSED
        yield f"{encoding}.md", text.encode(encoding), Fate.REFUSED
    yield "cp500.txt", text.encode("cp500", "replace"), Fate.EITHER
    yield "half.txt", text.encode("utf-16")[:-1], Fate.EITHER
    yield "mixed.txt", "Grüße ".encode() * 50 + "Grüße ".encode("cp1252") * 50, Fate.EITHER
    yield "surrogates.txt", ("goat \ud800 " * 50).encode("utf-8", "surrogatepass"), Fate.EITHER
    yield "declared.html", b'<meta charset="utf-7"><p>goat +ADw-b+AD4-', Fate.EITHER
    yield "no_text.html", b'<meta charset="base64"><p>goat', Fate.EITHER
    yield "unknown.html", '<meta charset="klingon"><p>gôat'.encode("cp1252"), Fate.EITHER
    yield "bomb.html", b'<meta charset="zlib"><p>goat', Fate.EITHER
    yield (
        "charset.eml",
        b"From: a@b.org\nSubject: =?klingon?q?go=E4t?=\nContent-Type: text/plain; charset=klingon\n\ngo\xe4t\n",
        Fate.EITHER,
    )
    yield "base64.eml", b"From: a@b.org\nSubject: x\nContent-Transfer-Encoding: base64\n\n!!!! goat ====\n", Fate.EITHER
    yield "nul.csv", b"a,b\n1,\x00\n" * 20, Fate.REFUSED


def _malformed() -> _Made:
    yield "tag.docx", word_package(word_document("<w:p><w:r>")), Fate.EITHER
    yield "tag.odt", open_document(open_document_content("<text:p>goat")), Fate.EITHER
    yield "empty_part.docx", word_package(""), Fate.REFUSED
    yield "no_body.docx", word_package("<a/>"), Fate.REFUSED
    yield "no_chapters.epub", book({}, "t", {"OEBPS/book.opf": "<package/>"}), Fate.REFUSED
    yield (
        "no_package.epub",
        packed({"mimetype": "application/epub+zip", "META-INF/container.xml": "<container/>"}),
        Fate.REFUSED,
    )
    yield "paths.epub", book({"../../../../etc/passwd": "<p>goat</p>"}, "t"), Fate.EITHER
    yield "cell.ipynb", b'{"nbformat": 4, "cells": [{"cell_type": 3, "source": {"a": 1}}, 7, null]}', Fate.EITHER
    yield "list.ipynb", b"[]", Fate.REFUSED
    yield "text.ipynb", b"goat", Fate.REFUSED
    yield "comma.json", b'{"goat": 1,}', Fate.EITHER
    yield "digits.json", b'{"goat": ' + b"9" * 100_000 + b"}", Fate.EITHER
    yield "twice.toml", b"goat = 1\ngoat = 2\n", Fate.EITHER
    yield "tab.yaml", b"goat:\n\t- 1\n  - {", Fate.EITHER
    yield "object.yaml", b"goat: !!python/object/apply:os.system ['touch /tmp/goat']\n", Fate.EITHER
    yield "quote.csv", b'number,text\n1,"goat\n' * 300, Fate.EITHER
    yield "columns.csv", b",".join([b"goat"] * _MANY), Fate.EITHER
    yield "line.txt", b"goat" * 2_000_000, Fate.EITHER
    yield "line.py", b"x = '" + b"goat " * 400_000 + b"'", Fate.EITHER
    yield "headers.eml", b"From: a@example.org\n" + b"To: b@example.org\n" * _MANY + b"\ngoat\n", Fate.EITHER
    yield "boundary.eml", b"From: a@b.org\nContent-Type: multipart/mixed; boundary=x\n\n--y\n\ngoat\n", Fate.EITHER
    loop = {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9999999>>"}
    yield "loop.pdf", pdf_file(loop), Fate.REFUSED
    yield "no_root.pdf", b"%PDF-1.7\ntrailer<</Root 9 0 R>>\n%%EOF", Fate.REFUSED
    yield "only_head.pdf", b"%PDF-1.7\n", Fate.REFUSED
    yield "no_table.pdf", _good(".pdf").partition(b"xref")[0], Fate.EITHER
    yield "length.pdf", _good(".pdf").replace(b"/Length ", b"/Length 9999"), Fate.EITHER
    yield "checksum.docx", _with_wrong_checksums(_good(".docx")), Fate.EITHER


def _with_wrong_checksums(archive: bytes) -> bytes:
    data = bytearray(archive)
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        data[place + 16] ^= 0xFF
        place = data.find(b"PK\x01\x02", place + 4)
    return bytes(data)


_KINDS = {
    "truncated": _truncated,
    "random bytes": _random_bytes,
    "flipped bits": _flipped_bits,
    "wrong suffix": _wrong_suffix,
    "encrypted": _encrypted,
    "without text": _without_text,
    "empty": _empty,
    "bombs": _bombs,
    "nested": _nested,
    "wrong encoding": _wrong_encoding,
    "malformed": _malformed,
}


# What is no file with content of its own


def _special(folder: Path, outside: Path) -> list[Entry]:
    return [
        *_too_large(folder / "too large"),
        *_forbidden(folder / "forbidden"),
        *_no_files(folder / "no files", outside),
        *_left_out(folder / "left out"),
        *_spying(folder / "spying", outside),
    ]


def _too_large(folder: Path) -> Iterator[Entry]:
    """Sparse: they take no room."""
    folder.mkdir()
    for name, num_bytes in (
        ("a.txt", 40 << 20),
        ("b.md", 5 << 30),
        ("c.pdf", 600 << 20),
        ("d.docx", 5 << 30),
        ("e.mbox", 1 << 40),
    ):
        with (folder / name).open("wb") as file:
            file.truncate(num_bytes)
        yield Entry(folder / name, "too large", Fate.REFUSED)


def _forbidden(folder: Path) -> Iterator[Entry]:
    folder.mkdir()
    for suffix in (".txt", ".pdf", ".md", ".docx"):
        path = folder / f"a{suffix}"
        path.write_bytes(_good(suffix))
        path.chmod(0)
        yield Entry(path, "forbidden", Fate.REFUSED)
    inner = folder / "folder"
    inner.mkdir()
    (inner / "a.txt").write_text("goat")
    inner.chmod(0)
    yield Entry(inner / "a.txt", "forbidden", Fate.ABSENT)


def _no_files(folder: Path, outside: Path) -> Iterator[Entry]:
    folder.mkdir()
    word = rare_word(990_000)
    (outside / "secret.txt").write_text(f"a secret {word}")
    (folder / "folder.pdf").mkdir()
    os.mkfifo(folder / "pipe.txt")
    (folder / "out.txt").symlink_to(outside / "secret.txt")
    (folder / "folder out").symlink_to(outside)
    (folder / "dangling.md").symlink_to("nowhere")
    (folder / "loop.md").symlink_to("loop.md")
    (folder / "loop").symlink_to(".")
    # A socket's path may not be long.
    here = Path.cwd()
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.txt")
    os.chdir(here)
    for name in ("folder.pdf", "pipe.txt", "out.txt", "folder out/secret.txt", "dangling.md", "loop.md", "socket.txt"):
        yield Entry(folder / name, "no files", Fate.ABSENT, word)


def _left_out(folder: Path) -> Iterator[Entry]:
    """What was not meant to be read: each with a word that must find nothing."""
    names = (
        ".hidden.txt",
        ".git/a.md",
        "node_modules/a.md",
        "__pycache__/a.py",
        "package-lock.json",
        "jquery.min.js",
        "server.key",
        "photo.png",
    )
    for number, name in enumerate(names):
        path, word = folder / name, rare_word(991_000 + number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"{word}"')
        yield Entry(path, "left out", Fate.ABSENT, word)
    path = folder / os.fsdecode(b"caf\xe9.txt")
    path.write_text("goat")
    yield Entry(path, "left out", Fate.ABSENT)


def _spying(folder: Path, outside: Path) -> Iterator[Entry]:
    """Documents that ask their reader to put another file into them: its word must find nothing."""
    folder.mkdir()
    word = rare_word(992_000)
    (outside / "spied.txt").write_text(word)
    address = (outside / "spied.txt").as_uri()
    prologue = f'<!DOCTYPE x [<!ENTITY spied SYSTEM "{address}">]>'
    document = word_document("<w:p><w:r><w:t>goat &spied;</w:t></w:r></w:p>").replace("?>\n", f"?>{prologue}", 1)
    made = {
        "entity.docx": word_package(document),
        "entity.odt": open_document(open_document_content("<text:p>goat &spied;</text:p>", prologue)),
        "entity.epub": book({"a.xhtml": f"{prologue}<html><body><p>goat &spied;</p></body></html>"}, "t"),
        "frame.html": f'<p>goat</p><iframe src="{address}"></iframe><object data="{address}"></object>'.encode(),
        "include.rst": f"goat\n\n.. include:: {outside}/spied.txt\n\n.. raw:: html\n   :url: {address}\n".encode(),
        "input.tex": f"\\begin{{document}}goat \\input{{{outside}/spied.txt}}\\end{{document}}".encode(),
        "include.org": f'goat\n\n#+INCLUDE: "{outside}/spied.txt"\n'.encode(),
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
        yield Entry(folder / name, "spying", Fate.EITHER, word)
