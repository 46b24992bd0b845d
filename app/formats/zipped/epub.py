"""E-books (epub): chapters in reading order, each read as the web page that it is.

Left out is the table of contents. A chapter without a heading goes on in the section of the one before it: books are
cut into files wherever their makers liked.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePath
from urllib.parse import unquote

from app.formats import html
from app.formats.damage import reported_damage
from app.formats.decoding import decode
from app.formats.errors import Damaged, Encrypted
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter
from app.formats.zipped.archive import Archive
from app.formats.zipped.xml_parts import Element, attribute, child, children, descendants, local_name, parse

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"

# Fonts are made unusable outside of their book; the text is not touched.
_FONT_OBFUSCATION = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}

# What chapters are written in. Books before 2008 call it text/x-oeb1-document.
_CHAPTERS = {"application/xhtml+xml", "text/html", "text/x-oeb1-document"}

# XML ends an element by "/>", HTML does not: it would take all that follows <title/> for the title.
_CLOSED_AT_ONCE = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")

# Elements that never have content, in both.
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises Damaged, Encrypted, NotText or TooLarge. The title is the book's own, else the file name."""
    with reported_damage(name):
        archive = Archive(data, name)
        _refuse_encrypted(archive)
        package_path = _package_path(archive)
        package = _parse(archive, package_path)
        writer = PassageWriter(name)
        for path in _chapter_paths(package, posixpath.dirname(package_path)):
            html.write_whole_page(_with_end_tags(decode(archive.read(path), name)), writer)
        return writer.document(_title(package) or PurePath(name).stem)


def _parse(archive: Archive, path: str) -> Element:
    return parse(archive.read(path), archive.name, path)


def _refuse_encrypted(archive: Archive) -> None:
    if _ENCRYPTION not in archive:
        return
    for element in descendants(_parse(archive, _ENCRYPTION)):
        # The key of the text is encrypted too; it says so in an element of its own.
        if local_name(element) == "EncryptionMethod" and attribute(element, "Algorithm") not in _FONT_OBFUSCATION:
            raise Encrypted(archive.name, "is protected against copying (DRM): only its seller's programs can read it")


def _package_path(archive: Archive) -> str:
    """Where the book's parts are listed; a book in several renditions is read in its first."""
    files = descendants(_parse(archive, _CONTAINER))
    path = next((attribute(file, "full-path") for file in files if local_name(file) == "rootfile"), None)
    if path is None:
        raise Damaged(archive.name, f"is damaged: {_CONTAINER} names no book")
    return path


def _chapter_paths(package: Element, folder: str) -> Iterator[str]:
    items = {attribute(item, "id"): item for item in children(child(package, "manifest"), "item")}
    for reference in children(child(package, "spine"), "itemref"):
        item = items.get(attribute(reference, "idref"))
        if attribute(item, "media-type") not in _CHAPTERS or "nav" in (attribute(item, "properties") or "").split():
            continue
        address = unquote((attribute(item, "href") or "").partition("#")[0])
        yield posixpath.normpath(posixpath.join(folder, address))


def _title(package: Element) -> str:
    elements = descendants(package)
    return one_line(next((element.text or "" for element in elements if local_name(element) == "title"), ""))


def _with_end_tags(markup: str) -> str:
    return _CLOSED_AT_ONCE.sub(_closed, markup)


def _closed(element: re.Match[str]) -> str:
    tag, attributes = element.groups()
    return element[0] if tag.lower() in _VOID else f"<{tag}{attributes}></{tag}>"
