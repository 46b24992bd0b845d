"""Which files are one model: a GGUF file, or all parts of one that was split. Pure.

llama.cpp splits a model into `NAME-00001-of-00003.gguf` and so on, and loads it through its first part. Files are named
by paths with `/`, relative to whatever they are in: a folder here, or a repository elsewhere.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SUFFIX = ".gguf"
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})")


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of one model."""

    name: str
    """Their common name: without the number of the part, and without the suffix."""
    files: tuple[str, ...]
    """Those there are, in order."""
    num_parts: int
    """How many it takes."""

    @property
    def is_split(self) -> bool:
        return self.num_parts > 1

    @property
    def problem(self) -> str:
        """What is wrong with it, as a sentence for the user; empty: nothing."""
        num_missing = self.num_parts - len(self.files)
        if not num_missing:
            return ""
        return f"{self.name} is incomplete: {num_missing} of its {self.num_parts} parts are missing. Download it again."


def file_sets(names: Iterable[str]) -> list[FileSet]:
    """The models among files; what is no GGUF file, or a projector for images, is none."""
    parts: dict[tuple[str, int], set[tuple[int, str]]] = {}
    for name in names:
        if is_gguf(name) and not is_projector(name):
            stem, number, total = _split(name)
            parts.setdefault((stem, total), set()).add((number, name))
    return sorted((_joined(stem, total, sorted(found)) for (stem, total), found in parts.items()), key=_order)


def is_gguf(name: str) -> bool:
    """Whether it is named like a GGUF file."""
    return name.lower().endswith(_SUFFIX)


def is_projector(name: str) -> bool:
    """Whether it is named like the part of a model that reads images or sound: useless without the other."""
    return "mmproj" in name.rpartition("/")[2].lower()


def _split(name: str) -> tuple[str, int, int]:
    stem = name[: -len(_SUFFIX)]
    match = _PART.fullmatch(stem)
    if not match or not 1 <= int(match["number"]) <= int(match["total"]):
        return stem, 1, 1
    return match["stem"], int(match["number"]), int(match["total"])


def _joined(stem: str, total: int, found: Sequence[tuple[int, str]]) -> FileSet:
    return FileSet(stem, tuple(name for _, name in found), total)


def _order(files: FileSet) -> tuple[str, int]:
    return files.name, files.num_parts
