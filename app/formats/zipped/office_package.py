"""The parts of an Office Open XML file (docx, pptx), and how they point at each other.

A part names others by relationships, kept in a file beside it: an id, a kind such as "styles", and a path.
"""

import posixpath
from dataclasses import dataclass

from app.formats.errors import Damaged
from app.formats.headings import one_line
from app.formats.zipped.archive import Archive
from app.formats.zipped.xml_parts import Element, attribute, children, descendants, local_name, parse

# The package itself, as a part that has relationships.
_PACKAGE = ""


@dataclass(frozen=True, slots=True)
class _Relationship:
    id: str
    kind: str
    path: str


class OfficePackage:
    """An Office Open XML file in memory. Every method raises UnreadableDocument."""

    def __init__(self, data: bytes, name: str, root_name: str) -> None:
        """`root_name`: the local name of the main part's root element, which tells Word from PowerPoint."""
        self.name = name
        self._archive = Archive(data, name)
        # By part: they are asked for once for each kind.
        self._relationships: dict[str, list[_Relationship]] = {}
        self.main_part = self.first_related(_PACKAGE, "officeDocument") or ""
        if not self.main_part:
            raise Damaged(name, "is damaged: it is a zip archive, but no office file")
        self.main = self.parse(self.main_part)
        if local_name(self.main) != root_name:
            raise Damaged(name, f"is something else than its suffix says: it holds a {local_name(self.main)}")

    @property
    def title(self) -> str:
        """The title in the file's properties, on one line; empty where it has none."""
        path = self.first_related(_PACKAGE, "core-properties")
        if path is None:
            return ""
        titles = (element.text or "" for element in children(self.parse(path), "title"))
        return one_line(next(titles, ""))

    def parse(self, path: str) -> Element:
        """The root element of a part."""
        return parse(self._archive.read(path), self.name, path)

    def related_by_id(self, part: str) -> dict[str, str]:
        """The paths of the parts that `part` points at, by the ids that it uses for them."""
        return {each.id: each.path for each in self._relationships_of(part)}

    def related(self, part: str, kind: str) -> list[str]:
        """The paths of the parts of that kind that `part` points at and that are there."""
        return [each.path for each in self._relationships_of(part) if each.kind == kind and each.path in self._archive]

    def first_related(self, part: str, kind: str) -> str | None:
        """The first of them."""
        return next(iter(self.related(part, kind)), None)

    def _relationships_of(self, part: str) -> list[_Relationship]:
        if part not in self._relationships:
            folder, file_name = posixpath.split(part)
            path = posixpath.join(folder, "_rels", f"{file_name}.rels")
            elements = descendants(self.parse(path)) if path in self._archive else ()
            found = (each for each in elements if attribute(each, "TargetMode") != "External")
            self._relationships[part] = [_relationship(folder, each) for each in found]
        return self._relationships[part]


def _relationship(folder: str, element: Element) -> _Relationship:
    kind = (attribute(element, "Type") or "").rsplit("/", 1)[-1]
    # Absolute paths begin with "/"; inside the archive nothing does.
    path = posixpath.normpath(posixpath.join("/", folder, attribute(element, "Target") or "")).lstrip("/")
    return _Relationship(attribute(element, "Id") or "", kind, path)
