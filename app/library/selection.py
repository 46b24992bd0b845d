"""Which documents questions are restricted to, as a choice in the library's tree. Pure.

A chosen folder stands for everything in it, today's and tomorrow's documents; so choosing all documents of a folder one
by one is not the same as choosing the folder, and is shown as a part of it.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from app.library.tree import FolderNode, Node, documents_below, parent_of


class Mark(StrEnum):
    """How much of a node is chosen."""

    NONE = " "
    SOME = "-"
    ALL = "x"


class Selection:
    """Chosen files and folders; none of them lies in another one. Immutable."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        chosen = {os.fspath(path): path for path in paths}
        self._above = _all_above(chosen)
        if not self._above.isdisjoint(chosen):
            chosen = {place: path for place, path in chosen.items() if chosen.keys().isdisjoint(_above(place))}
            self._above = _all_above(chosen)
        self.paths = frozenset(chosen.values())
        self._places = frozenset(chosen)

    def __bool__(self) -> bool:
        return bool(self.paths)

    def __contains__(self, path: Path) -> bool:
        """Whether it is chosen, itself or through a folder."""
        place = os.fspath(path)
        return place in self._places or any(each in self._places for each in _above(place))

    def mark(self, path: Path) -> Mark:
        if path in self:
            return Mark.ALL
        return Mark.SOME if os.fspath(path) in self._above else Mark.NONE

    def with_node(self, node: Node) -> "Selection":
        """The node is chosen, whole."""
        return Selection(self.paths | {node.path})

    def without_node(self, node: Node, roots: Sequence[FolderNode]) -> "Selection":
        """The node is not chosen; if it was through a folder, the folder's other contents still are."""
        left = {path for path in self.paths if path != node.path and not path.is_relative_to(node.path)}
        outer = next((path for path in left if node.path.is_relative_to(path)), None)
        if outer is None:
            return Selection(left)
        return Selection((left - {outer}).union(_others(outer, node.path, roots)))

    def toggled(self, node: Node, roots: Sequence[FolderNode]) -> "Selection":
        return self.without_node(node, roots) if node.path in self else self.with_node(node)

    def toggled_documents(self, folder: FolderNode, roots: Sequence[FolderNode]) -> "Selection":
        """The documents below a folder that is shown in part: all of them are chosen, or if they are, none is."""
        readable = {each.path: each for each in documents_below(folder) if each.num_chunks}
        if not all(path in self for path in readable):
            return Selection(self.paths | readable.keys())
        left = Selection(self.paths - readable.keys())
        for path, document in readable.items():
            if path in left:
                left = left.without_node(document, roots)
        return left

    def without_folder(self, folder: Path) -> "Selection":
        """Nothing in that folder is chosen any more: it is no longer watched."""
        return Selection(path for path in self.paths if not path.is_relative_to(folder))

    def as_scope(self) -> tuple[Path, ...]:
        return tuple(sorted(self.paths))


def _above(place: str) -> Iterator[str]:
    while (parent := parent_of(place)) != place:
        yield parent
        place = parent


def _all_above(places: Iterable[str]) -> frozenset[str]:
    """Every folder that any of the places lies in."""
    found: set[str] = set()
    for place in places:
        for outer in _above(place):
            if outer in found:
                break  # and so are those above it
            found.add(outer)
    return frozenset(found)


def _around(path: Path) -> frozenset[Path]:
    """The path and the folders it lies in."""
    return frozenset((path, *path.parents))


def _others(outer: Path, left_out: Path, roots: Sequence[FolderNode]) -> Iterator[Path]:
    """What is in the folder `outer`, in as few paths as possible, without one path in it."""
    yield from (root.path for root in roots if root.path.is_relative_to(outer) and root.path not in _around(left_out))
    folders: Sequence[FolderNode] = roots
    while node := next((each for each in folders if each.path in _around(left_out)), None):
        if node.path == left_out:
            return
        if node.path.is_relative_to(outer):
            yield from (child.path for child in (*node.folders, *node.documents) if child.path not in _around(left_out))
        folders = node.folders
