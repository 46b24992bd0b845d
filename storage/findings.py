"""What a check of the store reports: findings, how far it is, and what became of a finding; frozen values."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class FindingKind(StrEnum):
    """What can be out of order."""

    DAMAGED_INDEX = "damaged_index"
    DAMAGED_SEARCH = "damaged_search"
    DANGLING_ROWS = "dangling_rows"
    """Rows of the index that refer to rows that are not there."""
    MISNUMBERED_CHUNKS = "misnumbered_chunks"
    UNUSED_STATES = "unused_states"
    """States whose chunks or conversation are gone, left by a purge that never came."""
    STRAY_FILE = "stray_file"
    """A temporary of a writer that was killed."""
    MISSING_FILE = "missing_file"
    WRONG_SIZE = "wrong_size"
    UNRECORDED_FILE = "unrecorded_file"
    """A chunk file that the index does not list."""
    UNUSED_FOLDER = "unused_folder"
    """A folder of a fingerprint that the index does not mention."""
    LOST_VECTORS = "lost_vectors"
    """Vectors that the index lists, behind the end of their file."""
    UNUSED_VECTORS = "unused_vectors"
    """Vectors of texts that are gone, left by a purge that never came."""
    UNUSED_FILE = "unused_file"
    """A file of vectors of a model that the index does not mention."""
    NOT_PRIVATE = "not_private"
    DAMAGED_FILE = "damaged_file"
    FOREIGN_BLOB = "foreign_blob"
    """A whole chunk file whose state is not built as a state of these tokens, or as the others of its model."""
    NEWER_FILE = "newer_file"
    """A chunk file that a newer version of the program wrote."""
    UNREADABLE_FILE = "unreadable_file"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing out of order; `problem` and `remedy` are sentences for people, without the full stop."""

    kind: FindingKind
    subject: Path | str
    """The file, folder or document; or the table of the index."""
    problem: str
    remedy: str
    """What mending does about it, or what is left to the user to do."""
    can_be_mended: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps of a check: looks at one aspect of everything, and files read."""

    num_done: int
    num_total: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one finding: mended, or the reason why not."""

    finding: Finding
    failure: str | None = None
