"""Stories written in every format that can be read: `WRITERS`, from a suffix to a function that gives the bytes.

Written by hand rather than by the libraries that read them: what both misunderstand would go unnoticed.
"""

import io
import json
import random
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from email.message import EmailMessage
from email.policy import SMTP, default
from html import escape

from tests.corpus_stories import Block, Story

Writer = Callable[[Story, random.Random], bytes]

_MAIL_DATE = "Tue, 03 Mar 2026 10:15:00 +0100"


# Text


def plain_text(story: Story, chance: random.Random) -> bytes:
    """In an encoding that the language was written in, and with any of the line ends."""
    text = "\n\n".join(story.paragraphs) + "\n" * chance.randint(0, 2)
    return _encoded(text.replace("\n", chance.choice(("\n", "\n", "\r\n", "\r"))), story.language, chance)


_ENCODINGS = {
    "de": "cp1252",
    "fr": "cp1252",
    "es": "cp1252",
    "pl": "cp1250",
    "ru": "cp1251",
    "ja": "cp932",
    "zh": "gb18030",
}

# A guess needs something to go by.
_MIN_GUESSABLE_NUM_CHARS = 1500


def _encoded(text: str, language: str, chance: random.Random) -> bytes:
    candidates = ["utf-8"] * 6 + ["utf-8-sig", "utf-16"]
    if language in _ENCODINGS and len(text) > _MIN_GUESSABLE_NUM_CHARS:
        candidates.append(_ENCODINGS[language])
    return text.encode(chance.choice(candidates), "replace")


def markdown(story: Story, chance: random.Random) -> bytes:
    parts = [f"---\ntitle: {json.dumps(story.title)}\ndraft: true\n---\n"] if chance.random() < 0.3 else []
    parts.append(f"# {story.title}\n")
    for block in story.blocks:
        match block.kind:
            case "heading":
                parts.append(f"{'#' * (block.level + 1)} {block.lines[0]}\n")
            case "list":
                parts.append("".join(f"{chance.choice('-*+')} {line}\n" for line in block.lines))
            case "table":
                head, *rows = (f"| {' | '.join(row)} |\n" for row in block.rows)
                parts.append(head + f"{'| --- ' * len(block.rows[0])}|\n" + "".join(rows))
            case _:
                quote = "> " if chance.random() < 0.1 else ""
                parts.append(f"{quote}{_emphasized(block.lines[0], story.word, chance, '**', '**')}\n")
    if chance.random() < 0.3:
        parts.append('```python\nprint("# no heading")\n```\n')
    return "\n".join(parts).encode()


def _emphasized(text: str, word: str, chance: random.Random, opening: str, closing: str) -> str:
    return text.replace(word, f"{opening}{word}{closing}") if chance.random() < 0.3 else text


def html(story: Story, chance: random.Random) -> bytes:
    body = "".join(_html_block(block, story.word, chance) for block in story.blocks)
    head = f"<title>{escape(story.title)}</title>"
    page = f"<h1>{escape(story.title)}</h1>{body}"
    if chance.random() < 0.5:
        page = f"<nav><ul><li>Home<li>About</ul></nav><main>{page}</main><footer>Imprint</footer><script>1<2</script>"
    encoding = "utf-8"
    if story.language in _ENCODINGS and chance.random() < 0.3:
        encoding = _ENCODINGS[story.language]
    html = f"<!DOCTYPE html><html><head><meta charset={encoding}>{head}</head><body>{page}</body></html>"
    return html.encode(encoding, "xmlcharrefreplace")


def _html_block(block: Block, word: str, chance: random.Random) -> str:
    lines = [_emphasized(escape(line), word, chance, "<em>", "</em>") for line in block.lines]
    match block.kind:
        case "heading":
            return f"<h{block.level + 1}>{lines[0]}</h{block.level + 1}>"
        case "list":
            tag = chance.choice(("ul", "ol"))
            return f"<{tag}>" + "".join(f"<li>{line}</li>" for line in lines) + f"</{tag}>"
        case "table":
            return "<table>" + "".join(f"<tr>{_cells('td', row)}</tr>" for row in block.rows) + "</table>"
        case _:
            return f"<p>{lines[0]}</p>\n"


def _cells(tag: str, row: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)


def rst(story: Story, chance: random.Random) -> bytes:
    parts = [_underlined(story.title, "=", over=True)]
    for block in story.blocks:
        match block.kind:
            case "heading":
                parts.append(_underlined(block.lines[0], "-~^"[block.level - 1]))
            case "list":
                parts.append("".join(f"* {line}\n" for line in block.lines))
            case "table":
                parts.append(f".. list-table::\n\n{''.join(map(_rst_row, block.rows))}")
            case _:
                parts.append(f"{_emphasized(block.lines[0], story.word, chance, '**', '**')}\n")
    return "\n".join(parts).encode()


def _underlined(title: str, mark: str, *, over: bool = False) -> str:
    # Wide characters take two columns.
    line = mark * (2 * len(title))
    return f"{line}\n{title}\n{line}\n" if over else f"{title}\n{line}\n"


def _rst_row(row: tuple[str, ...]) -> str:
    first, *rest = row
    return f"   * - {first}\n" + "".join(f"     - {cell}\n" for cell in rest)


def org(story: Story, chance: random.Random) -> bytes:
    parts = [f"#+TITLE: {story.title}\n"]
    for block in story.blocks:
        match block.kind:
            case "heading":
                state = chance.choice(("", "TODO ", "DONE "))
                parts.append(f"{'*' * block.level} {state}{block.lines[0]}\n:PROPERTIES:\n:ID: 7\n:END:\n")
            case "list":
                parts.append("".join(f"- {line}\n" for line in block.lines))
            case "table":
                parts.append("".join(f"| {' | '.join(row)} |\n" for row in block.rows))
            case _:
                parts.append(f"{block.lines[0]}\n")
    return "\n".join(parts).encode()


_LATEX_ESCAPES = str.maketrans({"%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_", "$": r"\$"})


def latex(story: Story, chance: random.Random) -> bytes:
    parts = []
    for block in story.blocks:
        lines = [line.translate(_LATEX_ESCAPES) for line in block.lines]
        match block.kind:
            case "heading":
                parts.append(f"\\{('section', 'subsection', 'subsubsection')[block.level - 1]}{{{lines[0]}}}\n")
            case "list":
                items = "".join(f"  \\item {line}\n" for line in lines)
                parts.append(f"\\begin{{itemize}}\n{items}\\end{{itemize}}\n")
            case "table":
                rows = "".join(
                    f"{' & '.join(cell.translate(_LATEX_ESCAPES) for cell in row)} \\\\\n" for row in block.rows
                )
                parts.append(f"\\begin{{tabular}}{{lll}}\n{rows}\\end{{tabular}}\n")
            case _:
                parts.append(f"{_emphasized(lines[0], story.word, chance, chr(92) + 'emph{', '}')} % a remark\n")
    title = story.title.translate(_LATEX_ESCAPES)
    head = f"\\documentclass{{article}}\n\\usepackage{{xcolor}}\n\\title{{{title}}}\n"
    return (head + "\\begin{document}\n\\maketitle\n" + "\n".join(parts) + "\\end{document}\n").encode()


# Data


def delimited(separator: str) -> Writer:
    def write(story: Story, chance: random.Random) -> bytes:
        quoted = (f'"{line.replace(chr(34), chr(34) * 2)}"' for line in story.paragraphs)
        rows = (f"{number}{separator}{line}{separator}{chance.randint(0, 99)}" for number, line in enumerate(quoted))
        return "\r\n".join([separator.join(("number", "text", "amount")), *rows]).encode("utf-8-sig")

    return write


def _as_data(story: Story) -> dict[str, object]:
    return {
        "title": story.title,
        "language": story.language,
        "blocks": [{"kind": block.kind, "rows": [list(row) for row in block.rows]} for block in story.blocks],
    }


def json_object(story: Story, chance: random.Random) -> bytes:
    indentation = chance.choice((None, 2, "\t"))
    return json.dumps(_as_data(story), indent=indentation, ensure_ascii=chance.random() < 0.2).encode()


def json_lines(story: Story, chance: random.Random) -> bytes:
    return "".join(
        f"{json.dumps({'text': line, 'rank': chance.random()}, ensure_ascii=False)}\n" for line in story.paragraphs
    ).encode()


def geojson(story: Story, chance: random.Random) -> bytes:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [chance.random() * 180, chance.random() * 90]},
            "properties": {"name": line},
        }
        for line in story.paragraphs
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


def yaml(story: Story, chance: random.Random) -> bytes:
    # Strings of JSON are strings of YAML.
    items = "".join(f"  - kind: {block.kind}\n    text: {_quoted(' '.join(block.lines))}\n" for block in story.blocks)
    return f"# A remark\ntitle: {_quoted(story.title)}\nblocks:\n{items}".encode()


def toml(story: Story, chance: random.Random) -> bytes:
    tables = "".join(
        f"\n[[blocks]]\nkind = {_quoted(block.kind)}\ntext = {_quoted(' '.join(block.lines))}\n"
        for block in story.blocks
    )
    return f"title = {_quoted(story.title)}\n{tables}".encode()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def notebook(story: Story, chance: random.Random) -> bytes:
    cells: list[dict[str, object]] = []
    for block in story.blocks:
        if block.kind == "table":
            lines = [f"{line}\n" for line in block.lines]
            output = {"output_type": "stream", "name": "stdout", "text": lines}
            cells.append(
                {
                    "cell_type": "code",
                    "source": "show(table)",
                    "outputs": [output],
                    "execution_count": 1,
                    "metadata": {},
                }
            )
        else:
            mark = {"heading": "## ", "list": "- "}.get(block.kind, "")
            source = [f"{mark}{line}\n" for line in block.lines]
            cells.append(
                {
                    "cell_type": "markdown",
                    "metadata": {},
                    "source": source if chance.random() < 0.5 else "".join(source),
                }
            )
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBORw0KGgo" * 50}}
    cells.append({"cell_type": "code", "source": "plot()", "outputs": [picture], "execution_count": 2, "metadata": {}})
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"language_info": {"name": "python"}}, "cells": cells}
    return json.dumps(whole, ensure_ascii=False).encode()


# Mail


def _message(story: Story, chance: random.Random) -> EmailMessage:
    message = EmailMessage(policy=SMTP if chance.random() < 0.5 else default)
    message["From"] = "Odile Märsch <odile@example.org>"
    message["To"] = "harbour@example.org"
    message["Date"] = _MAIL_DATE
    message["Subject"] = story.title
    encoding = chance.choice(("base64", "quoted-printable"))
    text = "\n\n".join(story.paragraphs[1:]) + "\n"
    kind = chance.randrange(3)
    if kind == 0:
        page = "".join(f"<p>{escape(line)}</p>" for line in story.paragraphs[1:])
        message.set_content(f"<html><body>{page}</body></html>", subtype="html", cte=encoding)
    else:
        message.set_content(text, cte=encoding)
    if kind == 2:
        message.add_attachment(chance.randbytes(2000), maintype="image", subtype="png", filename="photo.png")
    return message


def mail(story: Story, chance: random.Random) -> bytes:
    return bytes(_message(story, chance))


def mailbox(story: Story, chance: random.Random) -> bytes:
    others = [Story(story.language, f"Nr. {number}", story.blocks[:1], "") for number in range(chance.randint(0, 5))]
    return b"".join(_in_mailbox(_message(each, chance)) for each in (*others, story))


def _in_mailbox(message: EmailMessage) -> bytes:
    lines = re.sub(rb"(?m)^(>*From )", rb">\1", message.as_bytes(policy=default))
    return b"From odile@example.org Tue Mar  3 10:15:00 2026\n" + lines + b"\n"


# Source code


def source_code(opening: str, closing: str, definition: str) -> Writer:
    """Each line of the story is a remark above a definition."""

    def write(story: Story, chance: random.Random) -> bytes:
        parts = (
            f"{opening}{line}{closing}\n{definition.format(number)}\n" for number, line in enumerate(story.paragraphs)
        )
        return "\n".join(parts).encode()

    return write


# Archives of XML


def packed(members: Mapping[str, str | bytes], *, stored: str | None = None) -> bytes:
    """A zip archive; the member `stored` comes first and is not compressed, as some formats demand."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(members, key=lambda path: path != stored):
            archive.writestr(path, members[path], zipfile.ZIP_STORED if path == stored else zipfile.ZIP_DEFLATED)
    return data.getvalue()


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def relationships(*targets: tuple[str, str]) -> str:
    """The relationships of a part: kind and path each."""
    each = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/{kind}" Target="{path}"/>'
        for i, (kind, path) in enumerate(targets, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{each}</Relationships>'


def _content_types(parts: Mapping[str, str]) -> str:
    each = "".join(
        f'<Override PartName="/{path}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>'
        for path, kind in parts.items()
    )
    defaults = (
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
    )
    return f'{_XML}<Types xmlns="{_PACKAGE}/content-types">{defaults}{each}</Types>'


def word_package(document: str) -> bytes:
    """A Word file around its main part."""
    return packed(
        {
            "[Content_Types].xml": _content_types({"word/document.xml": "wordprocessingml.document.main"}),
            "_rels/.rels": relationships(("officeDocument", "word/document.xml")),
            "word/document.xml": document,
        }
    )


def word_document(body: str) -> str:
    return f'{_XML}<w:document xmlns:w="{_WORD}"><w:body>{body}<w:sectPr/></w:body></w:document>'


def docx(story: Story, chance: random.Random) -> bytes:
    parts = [_word_paragraph(story.title, "Title", chance)]
    for block in story.blocks:
        match block.kind:
            case "heading":
                parts.append(_word_paragraph(block.lines[0], f"Heading{block.level}", chance))
            case "list":
                parts += [_word_paragraph(line, "ListBullet", chance) for line in block.lines]
            case "table":
                rows = (
                    "".join(f"<w:tc>{_word_paragraph(cell, None, chance)}</w:tc>" for cell in row) for row in block.rows
                )
                parts.append(f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>")
            case _:
                parts.append(_word_paragraph(block.lines[0], None, chance))
    return word_package(word_document("".join(parts)))


def _word_paragraph(text: str, style: str | None, chance: random.Random) -> str:
    """Word cuts its text into runs wherever something was corrected, in the middle of words too."""
    cut = chance.randint(0, len(text)) if chance.random() < 0.3 else len(text)
    runs = "".join(
        f'<w:r><w:t xml:space="preserve">{escape(run)}</w:t></w:r>' for run in (text[:cut], text[cut:]) if run
    )
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}{runs}</w:p>"


_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument.text"


def open_document(content: str, extra: Mapping[str, str] | None = None) -> bytes:
    """An OpenDocument text around its content."""
    entry = f'<m:file-entry m:full-path="/" m:media-type="{_OPEN_DOCUMENT}"/>'
    manifest = f'{_XML}<m:manifest xmlns:m="{_ODF}:manifest:1.0">{entry}</m:manifest>'
    members = {
        "mimetype": _OPEN_DOCUMENT,
        "META-INF/manifest.xml": manifest,
        "content.xml": content,
    }
    return packed(members | dict(extra or {}), stored="mimetype")


def open_document_content(text: str, prologue: str = "") -> str:
    names = " ".join(f'xmlns:{name}="{_ODF}:{name}:1.0"' for name in ("office", "text", "table"))
    body = f"<office:body><office:text>{text}</office:text></office:body>"
    return f"{_XML}{prologue}<office:document-content {names}>{body}</office:document-content>"


def odt(story: Story, chance: random.Random) -> bytes:
    parts = [f'<text:h text:outline-level="1">{escape(story.title)}</text:h>']
    for block in story.blocks:
        lines = [escape(line).replace(" ", "<text:s/>", 1) for line in block.lines]
        match block.kind:
            case "heading":
                parts.append(f'<text:h text:outline-level="{block.level}">{lines[0]}</text:h>')
            case "list":
                items = "".join(f"<text:list-item><text:p>{line}</text:p></text:list-item>" for line in lines)
                parts.append(f"<text:list>{items}</text:list>")
            case "table":
                parts.append(f"<table:table>{''.join(map(_open_row, block.rows))}</table:table>")
            case _:
                parts.append(f"<text:p>{lines[0]}</text:p>")
    return open_document(open_document_content("".join(parts)))


def _open_row(row: tuple[str, ...]) -> str:
    cells = "".join(f"<table:table-cell><text:p>{escape(cell)}</text:p></table:table-cell>" for cell in row)
    return f"<table:table-row>{cells}</table:table-row>"


_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_PRESENTATION = "http://schemas.openxmlformats.org/presentationml/2006/main"
_SLIDE_NUM_BLOCKS = 5


def pptx(story: Story, chance: random.Random) -> bytes:
    slides = [
        story.blocks[start : start + _SLIDE_NUM_BLOCKS] for start in range(0, len(story.blocks), _SLIDE_NUM_BLOCKS)
    ]
    names = f'xmlns:p="{_PRESENTATION}" xmlns:a="{_DRAWING}" xmlns:r="{_OFFICE}"'
    ids = "".join(f'<p:sldId id="{256 + i}" r:id="rId{i}"/>' for i in range(1, len(slides) + 1))
    members = {
        "[Content_Types].xml": _content_types({"ppt/presentation.xml": "presentationml.presentation.main"}),
        "_rels/.rels": relationships(("officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"{_XML}<p:presentation {names}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relationships(
            *(("slide", f"slides/slide{i}.xml") for i in range(1, len(slides) + 1))
        ),
    }
    for number, blocks in enumerate(slides, start=1):
        *shown, last = blocks
        # The last block of every other slide is what the speaker says.
        is_noted = number % 2 == 0
        shapes = _shape(f"{story.title} {number}", "title") + "".join(map(_block_shape, shown if is_noted else blocks))
        members[f"ppt/slides/slide{number}.xml"] = _slide("sld", names, shapes)
        if is_noted:
            members[f"ppt/slides/_rels/slide{number}.xml.rels"] = relationships(
                ("notesSlide", f"../notesSlides/notes{number}.xml")
            )
            members[f"ppt/notesSlides/notes{number}.xml"] = _slide(
                "notes", names, _shape("\n".join(last.lines), "body")
            )
    return packed(members)


def _slide(tag: str, names: str, shapes: str) -> str:
    return f"{_XML}<p:{tag} {names}><p:cSld><p:spTree><p:nvGrpSpPr/><p:grpSpPr/>{shapes}</p:spTree></p:cSld></p:{tag}>"


def _block_shape(block: Block) -> str:
    if block.kind != "table":
        return _shape("\n".join(block.lines), "body")
    rows = "".join(f"<a:tr>{''.join(f'<a:tc>{_drawn(cell)}</a:tc>' for cell in row)}</a:tr>" for row in block.rows)
    return (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{rows}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )


def _shape(text: str, placeholder: str) -> str:
    kind = f'<p:cNvPr id="2" name="x"/><p:cNvSpPr/><p:nvPr><p:ph type="{placeholder}"/></p:nvPr>'
    return f"<p:sp><p:nvSpPr>{kind}</p:nvSpPr><p:spPr/>{_drawn(text, 'p')}</p:sp>"


def _drawn(text: str, prefix: str = "a") -> str:
    lines = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<{prefix}:txBody><a:bodyPr/>{lines}</{prefix}:txBody>"


_CHAPTER_NUM_BLOCKS = 20
_EPUB_CONTAINER = (
    f'{_XML}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def book(chapters: Mapping[str, str], title: str, extra: Mapping[str, str] | None = None) -> bytes:
    """An e-book of chapters, by file name, in their order."""
    items = "".join(
        f'<item id="i{i}" href="{path}" media-type="application/xhtml+xml"/>' for i, path in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="i{i}"/>' for i in range(len(chapters)))
    package = (
        f'{_XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{escape(title)}</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    members = {"mimetype": "application/epub+zip", "META-INF/container.xml": _EPUB_CONTAINER, "OEBPS/book.opf": package}
    members |= {f"OEBPS/{path}": text for path, text in chapters.items()}
    return packed(members | dict(extra or {}), stored="mimetype")


def epub(story: Story, chance: random.Random) -> bytes:
    chapters = {}
    for start in range(0, len(story.blocks), _CHAPTER_NUM_BLOCKS):
        blocks = story.blocks[start : start + _CHAPTER_NUM_BLOCKS]
        body = "".join(_html_block(block, story.word, chance) for block in blocks)
        chapters[f"chapter{start}.xhtml"] = (
            f'{_XML}<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'
        )
    return book(chapters, story.title)


# PDF

_PAGE_NUM_LINES = 45
_LINE_NUM_CHARS = 80


def pdf_file(objects: Mapping[int, bytes], trailer: str = "") -> bytes:
    """A PDF of numbered objects, of which number 1 is the catalogue."""
    data, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), {}
    for number, content in objects.items():
        offsets[number] = len(data)
        data += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start, size = len(data), max(objects) + 1
    data += f"xref\n0 {size}\n".encode()
    for number in range(size):
        data += f"{offsets[number]:010} 00000 n \n".encode() if number in offsets else b"0000000000 65535 f \n"
    data += f"trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(data)


def pdf_stream(content: bytes, entries: str = "") -> bytes:
    packed = zlib.compress(content)
    return f"<</Length {len(packed)}/Filter/FlateDecode{entries}>>\nstream\n".encode() + packed + b"\nendstream"


def pdf_pages(
    contents: list[bytes], fonts: Mapping[int, bytes], trailer: str = "", extra: Mapping[int, bytes] | None = None
) -> bytes:
    """A PDF of pages by their content; object 3 is the font, `fonts` holds it and what belongs to it (3 to 9)."""
    first = 10
    numbers = [first + 2 * index for index in range(len(contents))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects: dict[int, bytes] = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(numbers)}>>".encode(),
        **fonts,
    }
    for number, content in zip(numbers, contents, strict=True):
        objects[number] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>"
            % (number + 1)
        )
        objects[number + 1] = pdf_stream(content)
    return pdf_file(objects | dict(extra or {}), trailer)


def pdf(story: Story, chance: random.Random) -> bytes:
    lines = [line for paragraph in story.paragraphs for line in (*_wrapped(paragraph), "")]
    pages = [lines[start : start + _PAGE_NUM_LINES] for start in range(0, len(lines), _PAGE_NUM_LINES)]
    text = "".join(lines)
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        codes = {character: code for code, character in enumerate(sorted(set(text)), start=1)}
        return pdf_pages([_page(page, lambda line: _hex(line, codes)) for page in pages], _cid_font(codes))
    return pdf_pages([_page(page, _literal) for page in pages], PDF_HELVETICA)


PDF_HELVETICA = {3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"}


def _wrapped(paragraph: str) -> list[str]:
    lines = [""]
    for word in paragraph.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > _LINE_NUM_CHARS:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _page(lines: list[str], shown: Callable[[str], bytes]) -> bytes:
    return b"BT /F 10 Tf 14 TL 50 740 Td\n" + b"".join(b"%b Tj T*\n" % shown(line) for line in lines) + b"ET"


def _literal(line: str) -> bytes:
    return b"(" + re.sub(rb"([()\\])", rb"\\\1", line.encode("cp1252")) + b")"


def _hex(line: str, codes: Mapping[str, int]) -> bytes:
    return b"<" + b"".join(b"%04x" % codes[character] for character in line) + b">"


def _cid_font(codes: Mapping[str, int]) -> dict[int, bytes]:
    """A font of numbered glyphs that only its table can turn into text."""
    rows = [f"<{code:04x}> <{character.encode('utf-16-be').hex()}>" for character, code in codes.items()]
    groups = [rows[start : start + 100] for start in range(0, len(rows), 100)]
    table = "".join(f"{len(group)} beginbfchar\n{chr(10).join(group)}\nendbfchar\n" for group in groups)
    head = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /T def /CMapType 2 def\n"
    space = "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
    end = "endcmap CMapName currentdict /CMap defineresource pop end end"
    return {
        3: b"<</Type/Font/Subtype/Type0/BaseFont/Made/Encoding/Identity-H/DescendantFonts[4 0 R]/ToUnicode 6 0 R>>",
        4: b"<</Type/Font/Subtype/CIDFontType2/BaseFont/Made/DW 600/FontDescriptor 5 0 R"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        5: b"<</Type/FontDescriptor/FontName/Made/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0"
        b"/Ascent 800/Descent -200/CapHeight 700/StemV 80>>",
        6: pdf_stream((head + space + table + end).encode()),
    }


WRITERS: dict[str, Writer] = {
    ".pdf": pdf,
    ".docx": docx,
    ".docm": docx,
    ".odt": odt,
    ".pptx": pptx,
    ".ppsx": pptx,
    ".epub": epub,
    ".html": html,
    ".htm": html,
    ".xhtml": html,
    ".md": markdown,
    ".markdown": markdown,
    ".mdx": markdown,
    ".qmd": markdown,
    ".rmd": markdown,
    ".txt": plain_text,
    ".text": plain_text,
    ".log": plain_text,
    ".asc": plain_text,
    ".adoc": plain_text,
    "": plain_text,
    ".csv": delimited(","),
    ".tsv": delimited("\t"),
    ".json": json_object,
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".geojson": geojson,
    ".yaml": yaml,
    ".yml": yaml,
    ".toml": toml,
    ".ipynb": notebook,
    ".eml": mail,
    ".mbox": mailbox,
    ".tex": latex,
    ".ltx": latex,
    ".org": org,
    ".rst": rst,
    ".rest": rst,
    ".py": source_code("# ", "", "def number_{}():\n    return 1\n"),
    ".js": source_code("// ", "", "function number{}() {{\n  return 1;\n}}\n"),
    ".c": source_code("/* ", " */", "int number_{}(void) {{\n    return 1;\n}}\n"),
    ".rs": source_code("/// ", "", "fn number_{}() -> u8 {{\n    1\n}}\n"),
    ".go": source_code("// ", "", "func number{}() int {{\n\treturn 1\n}}\n"),
    ".sql": source_code("-- ", "", "SELECT {};\n"),
    ".sh": source_code("# ", "", "number_{}() {{\n    true\n}}\n"),
    ".css": source_code("/* ", " */", ".number{} {{\n    color: red;\n}}\n"),
}
"""By suffix; "" stands for names without one, such as README."""
