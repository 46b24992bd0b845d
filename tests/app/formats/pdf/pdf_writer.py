"""Small PDF files for tests: text at places, an outline, images, and what makes a file unreadable."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PAGE_WIDTH, PAGE_HEIGHT = 612, 792


@dataclass(frozen=True, slots=True)
class Text:
    """A run of Helvetica. `x` and `y` are where it begins, in points from the lower left corner of the page."""

    text: str
    x: float
    y: float
    size: float = 10
    degrees: float = 0
    """How far it is turned, anticlockwise."""

    def operators(self) -> str:
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        escaped = self.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        matrix = f"{cos:.4f} {sin:.4f} {-sin:.4f} {cos:.4f} {self.x} {self.y}"
        return f"BT /F1 {self.size} Tf {matrix} Tm ({escaped}) Tj ET"


def lines(texts: Iterable[str], x: float, y: float, size: float = 10, step: float = 12) -> list[Text]:
    """Lines below each other."""
    return [Text(text, x, y - index * step, size) for index, text in enumerate(texts)]


@dataclass(frozen=True, slots=True)
class Entry:
    """A heading of the outline; `page` is an index, None for a heading that leads nowhere."""

    title: str
    page: int | None = None
    children: "Sequence[Entry]" = ()


@dataclass(frozen=True, slots=True)
class _Objects:
    """The objects of a file; their numbers count from 1."""

    bodies: list[str] = field(default_factory=list)

    def reserve(self) -> int:
        self.bodies.append("")
        return len(self.bodies)

    def add(self, body: str) -> int:
        self.bodies.append(body)
        return len(self.bodies)

    def write(self, trailer: str) -> bytes:
        data, places = b"%PDF-1.7\n", []
        for number, body in enumerate(self.bodies, start=1):
            places.append(len(data))
            data += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
        table = "".join(f"{place:010} 00000 n \n" for place in places)
        head = f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}"
        return data + f"{head}trailer\n<</Size {len(places) + 1} {trailer}>>\nstartxref\n{len(data)}\n%%EOF\n".encode()


def write_pdf(
    *pages: Sequence[Text],
    title: str | None = None,
    outline: Sequence[Entry] = (),
    image: bool = False,
    encrypted: bool = False,
    rotate: int = 0,
) -> bytes:
    """A file of these pages; with `image` each of them shows one, with `encrypted` nobody knows its password."""
    objects = _Objects()
    tree = objects.reserve()
    font = objects.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
    picture = objects.add(
        _stream("\x00", "/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8")
    )
    numbers = []
    for page in pages:
        drawing = "q 100 0 0 100 50 50 cm /I Do Q" if image else ""
        content = objects.add(_stream("\n".join([drawing, *(text.operators() for text in page)])))
        numbers.append(
            objects.add(
                f"<</Type/Page/Parent {tree} 0 R/MediaBox[0 0 {PAGE_WIDTH} {PAGE_HEIGHT}]/Rotate {rotate}"
                f"/Resources<</Font<</F1 {font} 0 R>>/XObject<</I {picture} 0 R>>>>/Contents {content} 0 R>>"
            )
        )
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects.bodies[tree - 1] = f"<</Type/Pages/Count {len(numbers)}/Kids[{kids}]>>"
    root = objects.reserve()
    objects.bodies[root - 1] = f"<</Type/Catalog/Pages {tree} 0 R{_outline(objects, outline, numbers)}>>"
    trailer = f"/Root {root} 0 R"
    if title is not None:
        trailer += f"/Info {objects.add(f'<</Title({title})>>')} 0 R"
    if encrypted:
        # Keys that fit no password.
        keys = f"/O<{'11' * 32}>/U<{'22' * 32}>"
        trailer += f"/Encrypt {objects.add(f'<</Filter/Standard/V 1/R 2/P -4{keys}>>')} 0 R/ID[<00><00>]"
    return objects.write(trailer)


def _stream(content: str, entries: str = "") -> str:
    return f"<<{entries}/Length {len(content)}>>\nstream\n{content}\nendstream"


def _outline(objects: _Objects, entries: Sequence[Entry], pages: list[int]) -> str:
    if not entries:
        return ""
    root = objects.reserve()
    numbers = _entries(objects, entries, root, pages)
    objects.bodies[root - 1] = f"<</Type/Outlines/First {numbers[0]} 0 R/Last {numbers[-1]} 0 R>>"
    return f"/Outlines {root} 0 R"


def _entries(objects: _Objects, entries: Sequence[Entry], parent: int, pages: list[int]) -> list[int]:
    numbers = [objects.reserve() for _ in entries]
    for index, entry in enumerate(entries):
        body = f"/Title({entry.title})/Parent {parent} 0 R"
        if entry.page is not None:
            body += f"/Dest[{pages[entry.page]} 0 R/Fit]"
        if index:
            body += f"/Prev {numbers[index - 1]} 0 R"
        if index + 1 < len(numbers):
            body += f"/Next {numbers[index + 1]} 0 R"
        if entry.children:
            below = _entries(objects, entry.children, numbers[index], pages)
            body += f"/First {below[0]} 0 R/Last {below[-1]} 0 R/Count {len(below)}"
        objects.bodies[numbers[index] - 1] = f"<<{body}>>"
    return numbers
