"""Search by meaning: an embedding model and the vectors it made of all chunks, where there is such a model.

The vectors are named after all that changes their numbers, known before the model is loaded: it is loaded by the first
search or the first text without vector, and not at all where there is nothing to find or to embed. Everything here
belongs to the thread of `parts.index`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.models.choice import EmbeddingChoice, choose_embedding_model
from app.models.identity import known_identity, model_identity
from app.wiring import Parts
from storage.values import Hit, TextWithoutVector

if TYPE_CHECKING:
    from engine.embedder import Embedder
    from storage.vectors import VectorStore

_FORMAT = 1
"""Raised when the same model makes other vectors of the same chunk than before; all are then made again."""

_SLICE_CHARACTERS = 2000
"""Texts that are embedded between two chances to stop: about one batch, .2 s for MiniLM on 2 CPU cores."""

_NUM_FETCHED = 64
"""Texts fetched at a time: looking for those without vector takes 50 ms at 100,000 chunks."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Progress of `DenseIndex.embed_missing`, in texts; new ones may join while it runs."""

    num_done: int
    num_total: int


class DenseIndex:
    """The chunks of the index as points that questions are near to or far from."""

    def __init__(self, parts: Parts, model_path: Path, vectors: "VectorStore", stack: ExitStack) -> None:
        """`stack` closes the embedder, if it gets loaded."""
        self.model_name = model_path.stem
        self._parts, self._model_path, self._vectors, self._stack = parts, model_path, vectors, stack
        self._loaded: Embedder | None = None

    def search(self, question: str, limit: int, document_ids: Collection[int] | None = None) -> list[Hit]:
        """The chunks nearest to the question, the nearest first, scored by cosine; of these documents only.

        Raises `EngineError` where the model fails.
        """
        if self._vectors.is_empty():
            return []
        return self._vectors.search(self._embedder().embed_query(question), limit, document_ids)

    def embed_missing(self) -> Iterator[Embedded]:
        """Embed the chunks that have no vector yet, a slice per step; what is done stays when nobody asks for more."""
        num_done, num_missing = 0, self._vectors.count_missing()
        while missing := self._vectors.missing(_NUM_FETCHED):
            for texts in _slices(missing):
                vectors = self._embedder().embed_documents([_passage(text) for text in texts])
                self._vectors.put([text.digest for text in texts], vectors)
                num_done += len(texts)
                yield Embedded(num_done, max(num_done, num_missing))

    def _embedder(self) -> "Embedder":
        if self._loaded is None:
            from engine.embedder import Embedder

            settings = self._parts.settings
            embedder = Embedder(self._model_path, gpu_layers=settings.gpu_layers, num_threads=settings.threads)
            self._loaded = self._stack.enter_context(embedder)
        return self._loaded


@contextmanager
def open_dense(parts: Parts) -> Iterator[DenseIndex | None]:
    """Dense search with the chosen embedding model; None without one. Loads no model yet.

    Raises `NoModel` when the settings name one that is not there, or no embedding model.
    """
    choice = choose_embedding_model(parts.settings.embedding_model, parts.locations)
    if choice.path is None:
        yield None
        return
    from engine import bindings  # noqa: F401 - before numpy, see there
    from storage.vectors import VectorStore

    fingerprint = _fingerprint(choice.path, model_identity(choice.path, parts.index))
    with ExitStack() as stack:
        vectors = VectorStore(parts.locations.vectors_dir, parts.index, fingerprint)
        yield DenseIndex(parts, choice.path, vectors, stack)


def purge_vectors(parts: Parts) -> int:
    """Erase the vectors of texts that no chunk has any more, of all models; returns how many."""
    from storage.vectors import purge

    return purge(parts.locations.vectors_dir, parts.index)


def count_embedded(parts: Parts, choice: EmbeddingChoice) -> int:
    """How many chunks have a vector of the chosen model; loads and hashes nothing."""
    identity = choice.path and known_identity(choice.path, parts.index)
    if not choice.path or not identity:  # nothing was ever embedded with it
        return 0
    return parts.index.count_chunks_with_vector(_fingerprint(choice.path, identity))


def _fingerprint(model_path: Path, identity: str) -> str:
    from engine.embedding_model import embedding_traits
    from engine.gguf_header import read_header
    from storage.content_key import fingerprint

    traits = embedding_traits(read_header(model_path, vocabulary=False))
    return fingerprint(
        {
            "vector_format": _FORMAT,
            "model": identity,
            "pooling": int(traits.pooling),
            "max_tokens": traits.max_tokens,
            "document_prefix": traits.document_prefix,
        }
    )


def _passage(text: TextWithoutVector) -> str:
    return f"{text.heading}\n{text.text}" if text.heading else text.text


def _slices(texts: Sequence[TextWithoutVector]) -> Iterator[list[TextWithoutVector]]:
    """Runs of texts of together at most `_SLICE_CHARACTERS`, or of one longer one."""
    run: list[TextWithoutVector] = []
    num_characters = 0
    for text in texts:
        if run and num_characters + len(text.text) > _SLICE_CHARACTERS:
            yield run
            run, num_characters = [], 0
        run.append(text)
        num_characters += len(text.text)
    if run:
        yield run
