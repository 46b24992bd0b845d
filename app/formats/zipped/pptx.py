"""PowerPoint files (pptx): slides in the order of the presentation, each a page under its title.

A text box is one passage, its paragraphs are lines; table rows are lines too ("cell | cell"). The speaker's notes
stand behind the slide. Hidden slides are read, they are often the appendix; slide numbers, dates, footers and comments
are not.
"""

from collections.abc import Iterator
from pathlib import PurePath

from app.formats.damage import reported_damage
from app.formats.errors import Damaged
from app.formats.extracted import ExtractedDocument
from app.formats.headings import one_line
from app.formats.passage_writer import PassageWriter
from app.formats.zipped.inline import Inline
from app.formats.zipped.office_package import OfficePackage
from app.formats.zipped.xml_parts import Element, attribute, child, children, descendants, local_name

# Placeholders by their types.
_TITLES = frozenset({"title", "ctrTitle"})
_FURNITURE = frozenset({"sldNum", "dt", "ftr", "hdr"})
_NOTES = "body"

# Shapes with text of their own; and the older twin of a shape, which is not read.
_SHAPES = frozenset({"sp", "graphicFrame"})
_CLOSED = _SHAPES | {"Fallback"}


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises Damaged, Encrypted or TooLarge.

    The title is the first that a slide has, since PowerPoint fills in the file's properties itself; then theirs, then
    the file name without its suffix.
    """
    with reported_damage(name):
        package = OfficePackage(data, name, "presentation")
        writer = PassageWriter(name)
        first_title = ""
        for page, path in enumerate(_slide_paths(package), start=1):
            writer.page = page
            title = _write_slide(package, path, writer)
            first_title = first_title or title
        return writer.document(first_title or package.title or PurePath(name).stem)


def _slide_paths(package: OfficePackage) -> Iterator[str]:
    paths = package.related_by_id(package.main_part)
    for slide in children(child(package.main, "sldIdLst"), "sldId"):
        # A slide has an id of its own and that of its relationship; only the latter's name has a namespace.
        path = next((paths.get(value) for key, value in slide.attrib.items() if key.endswith("}id")), None)
        if path is None:
            raise Damaged(package.name, "is damaged: it lists a slide that it does not hold")
        yield path


def _write_slide(package: OfficePackage, path: str, writer: PassageWriter) -> str:
    """Writes one slide and returns its title, on one line."""
    shapes = _shapes(package.parse(path))
    titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
    title = "\n".join(filter(None, map(_text, titles)))
    # A slide without a title ends the section of the one before it all the same.
    writer.heading(1, title)
    for shape in shapes:
        if local_name(shape) == "graphicFrame":
            _write_frame(package, path, shape, writer)
        elif _placeholder(shape) not in _TITLES | _FURNITURE:
            writer.paragraph(_text(shape))
    for notes_path in package.related(path, "notesSlide"):
        for shape in _shapes(package.parse(notes_path)):
            if _placeholder(shape) == _NOTES:
                writer.paragraph(_text(shape))
    return one_line(title)


def _shapes(root: Element) -> list[Element]:
    return [element for element in descendants(root, _CLOSED) if local_name(element) in _SHAPES]


def _placeholder(shape: Element) -> str | None:
    """Which of the layout's places the shape fills, if any."""
    return attribute(child(shape, "nvSpPr", "nvPr", "ph"), "type")


def _write_frame(package: OfficePackage, path: str, frame: Element, writer: PassageWriter) -> None:
    """Writes a table or a diagram."""
    for element in descendants(frame, _CLOSED):
        if local_name(element) == "tr":
            writer.row([" ".join(_text(cell).split()) for cell in children(element, "tc")])
        elif local_name(element) == "relIds":
            diagram = package.related_by_id(path).get(attribute(element, "dm") or "")
            if diagram is not None:
                writer.paragraph(_text(package.parse(diagram)))
    writer.end_lines()


def _text(shape: Element) -> str:
    """Its paragraphs as lines."""
    paragraphs = (each for each in descendants(shape, _CLOSED) if local_name(each) == "p")
    return "\n".join(text for text in map(_paragraph, paragraphs) if text)


def _paragraph(paragraph: Element) -> str:
    inline = Inline()
    for element in descendants(paragraph, _CLOSED):
        match local_name(element):
            case "t":
                inline.add(element.text)
            case "br":
                inline.end_line()
    return inline.text
