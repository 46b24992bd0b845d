"""How far a document or a folder is, as a glyph and words: no state is told by its colour alone. Pure."""

import math
from dataclasses import dataclass

from app.library.tree import FolderNode, Node
from storage.values import DocumentStage

GLYPHS = {
    DocumentStage.FOUND: "·",
    DocumentStage.SEARCHABLE: "○",
    DocumentStage.STEEPED: "●",
    DocumentStage.UNREADABLE: "!",
}


@dataclass(frozen=True, slots=True)
class StateWords:
    """`stage` decides the colour; None: neither good nor bad."""

    glyph: str
    words: str
    stage: DocumentStage | None

    def __str__(self) -> str:
        return f"{self.glyph} {self.words}"


def state_of(node: Node) -> StateWords:
    """Of a folder: what its documents are as a whole, and how many of them cannot be read."""
    return _state_of_folder(node) if isinstance(node, FolderNode) else _state_of_document(node)


def percent(share: float) -> str:
    """Rounded down: only what is complete is 100 %."""
    return f"{math.floor(share * 100)} %"


def _state_of_document(document: "Node") -> StateWords:
    assert not isinstance(document, FolderNode)
    stage = document.stage
    if stage == DocumentStage.SEARCHABLE:
        return _searchable(document.num_steeped_chunks, document.num_chunks)
    if stage == DocumentStage.STEEPED and not document.num_chunks:
        return StateWords("–", "no text", None)
    return StateWords(GLYPHS[stage], stage.value, stage)


def _state_of_folder(folder: FolderNode) -> StateWords:
    totals = folder.totals
    if not totals.num_documents:
        return StateWords("–", "no documents", None)
    state = _as_a_whole(folder)
    if totals.num_unreadable and state.stage != DocumentStage.UNREADABLE:
        return StateWords(state.glyph, f"{state.words} !{totals.num_unreadable:,}", state.stage)
    return state


def _as_a_whole(folder: FolderNode) -> StateWords:
    totals = folder.totals
    if totals.stage == DocumentStage.SEARCHABLE:
        return _searchable(totals.num_steeped_chunks, totals.num_chunks)
    if totals.stage == DocumentStage.STEEPED and not totals.num_chunks:
        return StateWords("–", "no text", None)
    if totals.stage == DocumentStage.FOUND and totals.num_waiting < totals.num_documents:
        return StateWords(GLYPHS[totals.stage], f"{totals.num_waiting:,} found", totals.stage)
    return StateWords(GLYPHS[totals.stage], totals.stage.value, totals.stage)


def _searchable(num_steeped_chunks: int, num_chunks: int) -> StateWords:
    glyph = GLYPHS[DocumentStage.SEARCHABLE]
    return StateWords(glyph, f"searchable {percent(num_steeped_chunks / num_chunks):>5}", DocumentStage.SEARCHABLE)
