"""Jupyter notebooks: Markdown cells with their sections, code cells, and what they printed.

The document's text is rebuilt: Markdown as it stands, code and its output as fenced blocks. Pictures, HTML and
other rich output are left out, and long output is cut: it is seldom what a question is about.
"""

import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from app.formats import markdown
from app.formats.decoding import decode
from app.formats.errors import Damaged
from app.formats.extracted import ExtractedDocument
from app.formats.headings import HeadingTrail
from app.formats.passage_writer import PassageWriter
from app.formats.storable import storable
from app.formats.unpacked import write_passage

# Of each cell: some 30 lines, enough for a table or the end of an error. Training logs go on for thousands.
MAX_OUTPUT_NUM_CHARS = 2000

# Colours and cursor moves of terminals.
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_OVERWRITTEN = re.compile(r"^[^\n]*\r(?!\n)", re.MULTILINE)
_BACKTICKS = re.compile(r"`{3,}")

# A cell, or an output: what JSON holds there is looked at before it is used.
_Object = dict[str, Any]


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText and Damaged. The title is the first level-1 heading, else the file name without its suffix."""
    notebook = _parsed(decode(data, name), name)
    language = _language(notebook)
    writer, trail = PassageWriter(name), HeadingTrail()
    title = None
    for cell in _cells(notebook):
        source = _text(cell.get("source", cell.get("input")))
        match cell.get("cell_type"):
            case "code":
                _write_code(cell, source, language, writer, trail.breadcrumb)
            case "heading":
                trail.enter(_level(cell), source)
                write_passage(writer, source, trail.breadcrumb)
            case "markdown":
                passages, heading = markdown.read_part(source, trail)
                title = title or heading
                for passage in passages:
                    write_passage(writer, source[passage.start : passage.end], passage.heading)
            case _:
                write_passage(writer, source, trail.breadcrumb)
    return writer.document(title or PurePath(name).stem)


def _parsed(text: str, name: str) -> _Object:
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(name, "is not a Jupyter notebook: it is damaged, or no JSON") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells", notebook.get("worksheets")), list):
        raise Damaged(name, "is not a Jupyter notebook: it has no cells")
    return notebook


def _cells(notebook: _Object) -> Iterator[_Object]:
    # Until format version 3 (2013) cells stood in worksheets.
    sheets = _objects(notebook.get("worksheets")) if "cells" not in notebook else [notebook]
    for sheet in sheets:
        yield from _objects(sheet.get("cells"))


def _objects(value: object) -> list[_Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: object) -> _Object:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return storable(_written(value))


def _written(value: object) -> str:
    """A text, which notebooks may write as a list of its lines."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _language(notebook: _Object) -> str:
    metadata = _object(notebook.get("metadata"))
    name = _object(metadata.get("language_info")).get("name") or _object(metadata.get("kernelspec")).get("language")
    return name if isinstance(name, str) and name.isalnum() else ""


def _level(cell: _Object) -> int:
    level = cell.get("level")
    return level if isinstance(level, int) else 1


def _write_code(cell: _Object, source: str, language: str, writer: PassageWriter, heading: str | None) -> None:
    if source.strip():
        write_passage(writer, _fenced(source, language), heading)
    printed = "\n".join(filter(None, map(_printed, _objects(cell.get("outputs"))))).strip("\n")
    if len(printed) > MAX_OUTPUT_NUM_CHARS:
        printed = f"{printed[:MAX_OUTPUT_NUM_CHARS]}\n..."
    if printed.strip():
        write_passage(writer, f"Output:\n{_fenced(printed, '')}", heading)


def _fenced(text: str, language: str) -> str:
    fence = max(["``", *_BACKTICKS.findall(text)], key=len) + "`"
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def _printed(output: _Object) -> str:
    """The text of one output; empty for pictures and the like."""
    if output.get("output_type") in {"error", "pyerr"}:
        return _shown(f"{_written(output.get('ename'))}: {_written(output.get('evalue'))}")
    data = _object(output.get("data")) or output
    if any(key.startswith("image/") or key in {"png", "jpeg", "svg"} for key in data):
        # Its text only says so: "<Figure size 640x480 with 1 Axes>".
        return ""
    return _shown(_written(data.get("text/markdown") or data.get("text/plain") or data.get("text")))


def _shown(text: str) -> str:
    """What a terminal shows in the end: no escape sequences, and of a progress bar the last state."""
    return storable(_ESCAPE_SEQUENCE.sub("", _OVERWRITTEN.sub("", text))).rstrip()
