"""Everything the library shows, asked for at once: folders, documents with their states, sizes against the budget."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.library.tree import FolderNode, Totals, add_up, build_tree
from storage.values import DocumentStage, DocumentStanding, Folder

if TYPE_CHECKING:
    from app.wiring import Parts


@dataclass(frozen=True, slots=True)
class Overview:
    """See the module."""

    folders: tuple[Folder, ...] = ()
    documents: tuple[DocumentStanding, ...] = ()
    roots: tuple[FolderNode, ...] = ()
    totals: Totals = field(default_factory=Totals)
    stages: Mapping[DocumentStage, int] = field(default_factory=lambda: dict.fromkeys(DocumentStage, 0))
    """How many documents are at which stage."""
    names: tuple[str, ...] = ()
    """Per document: its path below the watched folder, folded for comparing without regard to capital letters."""
    num_used_bytes: int = 0
    """Of all states on disk, of all models: documents, preambles, conversations."""
    num_budget_bytes: int = 0


def read_overview(parts: "Parts", fingerprints: Sequence[str] = ()) -> Overview:
    """Steeped as the model with those fingerprints has it; by any model when none is loaded. 0.1 to 0.4 s for 10,000
    documents."""
    # Late: the index costs 60 ms that the screen need not wait for at the start.
    from app.budget import budget_bytes, used_bytes

    folders, documents = tuple(parts.index.folders()), tuple(parts.index.standings(*fingerprints))
    roots, num_used_bytes = build_tree(folders, documents), used_bytes(parts.index)
    return Overview(
        folders,
        documents,
        roots,
        add_up(roots),
        dict.fromkeys(DocumentStage, 0) | Counter(document.stage for document in documents),
        names_of(folders, documents),
        num_used_bytes,
        budget_bytes(parts.settings, parts.locations.states_dir, num_used_bytes),
    )


def narrowed(overview: Overview, text: str) -> tuple[FolderNode, ...]:
    """The tree with those documents alone whose path below the watched folder has all the words; `!` stands for those
    that could not be read. Capital letters do not matter."""
    words = text.casefold().split()
    if not words:
        return overview.roots
    named = zip(overview.documents, overview.names, strict=True)
    kept = [document for document, name in named if _has(document, name, words)]
    return tuple(root for root in build_tree(overview.folders, kept) if root.totals.num_documents)


def names_of(folders: Sequence[Folder], documents: Sequence[DocumentStanding]) -> tuple[str, ...]:
    """See `Overview.names`."""
    roots = {folder.id: len(str(folder.path)) for folder in folders}
    return tuple(str(document.path)[roots.get(document.folder_id, 0) :].casefold() for document in documents)


def _has(document: DocumentStanding, name: str, words: Sequence[str]) -> bool:
    return all(document.error is not None if word == "!" else word in name for word in words)
