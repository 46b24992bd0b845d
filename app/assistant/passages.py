"""Where a question of a conversation looks for its passages: in what is selected, and behind the turns before it.

Shared by the answer and by the guess before it (`app.assistant.prefetch`), so that both find the same. Belongs to the
thread of `parts.index`; writes nothing.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from app.asking import Found, find
from app.assistant.question import Asked
from app.errors import NothingIndexed, WrongUse
from app.search.retrieval import DenseSearch
from app.wiring import Engine, Parts
from storage.index import Index
from storage.values import Turn


def turns_before(index: Index, asked: Asked) -> tuple[Turn, ...]:
    """The turns that stay in front of the question; none in a new conversation."""
    if asked.conversation_id is None:
        return ()
    return tuple(index.turns(asked.conversation_id)[: asked.ordinal])


def passages_for(
    asked: Asked, earlier: Sequence[Turn], parts: Parts, engine: Engine, search_by_meaning: DenseSearch | None
) -> Found:
    """Raises `NothingIndexed`, `WrongUse` or `NothingFits`, worded for the app."""
    if not parts.index.counts().num_chunks:
        raise NothingIndexed("There are no documents to answer from yet. Add a folder in the library (F3).")
    return find(
        asked.text,
        parts,
        engine,
        search_by_meaning,
        document_ids=_document_ids(parts.index, asked.scope),
        earlier=earlier[-1].question if earlier else None,
    )


def _document_ids(index: Index, scope: Sequence[Path]) -> Collection[int] | None:
    if not scope:
        return None
    listed = (document for path in scope for document in index.documents(below=path))
    ids = {document.id for document in listed if document.num_chunks}
    if not ids:
        raise WrongUse(
            "There is nothing to answer from in what is selected; select other documents in the library (F3)."
        )
    return ids
