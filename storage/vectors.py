"""The vectors of texts on disk: one matrix file per fingerprint, and which row is whose in the index.

    {root}/{fingerprint}.f16    row after row, `dimension` numbers each: float16, little-endian, nothing else

A fingerprint stands for everything that changes the numbers (model, pooling, prefixes). Chunks with the same heading
and text share a row: rows are found by `text_digest`. Vectors are as private as the texts they came from: files are for
the owner only (0600, 0700), and `purge` overwrites the rows of texts that are gone.

Order, so that a kill or a power cut harms nothing: rows are written and synced, then recorded, both within one SQLite
transaction, which also keeps two processes from choosing the same row. A row without a record is free space, whatever
its bytes say. Files only grow. A file that is missing or shorter than the records say has lost the rows behind its
end: their texts are without vector again, and get embedded again. A row that cannot be a vector of length 1 is
forgotten when a search comes across it.

Searching reads the file block by block into memory of its own. A map would be a tenth faster (54 against 60 ms for
100,000 rows of 384 numbers, 2 CPU cores), but a file cut short under a map kills the process with SIGBUS.

A `VectorStore` belongs to the thread of its Index. A row that another process frees and fills again during a search may
lend its score to the wrong text, once. Errors: StoreUnusable when the disk refuses, naming the file.
"""

import contextlib
import logging
import os
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storage import private_folder
from storage.errors import StoreUnusable
from storage.index import Index
from storage.values import Hit, TextWithoutVector

FloatArray = npt.NDArray[np.float32]

_logger = logging.getLogger(__name__)

_NUMBER = np.dtype("<f2")

_BLOCK_ROWS = 1024
"""Rows multiplied at a time: 1.5 MB as float32 at 384 numbers, which stays in a core's cache. Sane: 256 to 4,096."""

_NUM_TRIED = 16
"""Times `limit` rows that are looked at before the rows of the wanted documents are listed, which takes longer the more
they are: rows of other documents, and those without a record, have a score as well. Sane: 4 to 64."""

_LONGEST_COSINE = 1.01
"""Products of two vectors of length 1, one of them rounded to float16, never exceed it."""


class VectorStore:
    """The vectors of one fingerprint. Holds nothing open itself: the Index is closed by whoever opened it."""

    def __init__(self, root: Path, index: Index, fingerprint: str) -> None:
        self._index = index
        self._fingerprint = fingerprint
        self.path = _path(root, fingerprint)

    def is_empty(self) -> bool:
        """Whether nothing was ever put."""
        return self._index.vector_dimension(self._fingerprint) is None

    def missing(self, limit: int) -> list[TextWithoutVector]:
        """At most `limit` of the texts that have no vector yet, each once."""
        self.forget_lost_rows()
        return self._index.texts_without_vector(self._fingerprint, limit)

    def count_missing(self) -> int:
        """How many texts have no vector yet."""
        self.forget_lost_rows()
        return self._index.count_texts_without_vector(self._fingerprint)

    def put(self, digests: Sequence[str], vectors: FloatArray) -> None:
        """Makes vectors of length 1 durable: (texts, dimension). Those of texts that are gone meanwhile are dropped."""
        num_texts, dimension = vectors.shape
        known = self._index.vector_dimension(self._fingerprint)
        if num_texts != len(digests) or dimension != (known or dimension):
            raise ValueError(f"expected {len(digests)} vectors of {known or 'any'} numbers, got {vectors.shape}")
        halves = dict(zip(digests, vectors.astype(_NUMBER), strict=True))

        def write(rows: Mapping[str, int]) -> None:
            _write(self.path, {row: halves[digest].tobytes() for digest, row in rows.items()})

        self._index.put_vectors(self._fingerprint, dimension, digests, lambda: _num_rows(self.path, dimension), write)

    def search(self, query: FloatArray, limit: int, document_ids: Collection[int] | None = None) -> list[Hit]:
        """The best `limit` chunks for a vector of length 1, best first, scored by cosine; of these documents only.

        All chunks that share a text are hits of their own, in the order of their ids.
        """
        self.forget_lost_rows()
        if limit < 1 or self.is_empty():
            return []
        scores = self._scores(query)
        best = _best_first(scores, _NUM_TRIED * limit)
        for rows in (best[:limit], best):
            hits = self._hits(rows, scores, document_ids)
            if len(hits) >= limit or len(rows) == len(scores):
                return hits[:limit]
        rows = np.array(self._index.vector_rows(self._fingerprint, document_ids), np.intp)
        rows = rows[rows < len(scores)]
        return self._hits(rows[_best_first(scores[rows], limit)], scores, document_ids)[:limit]

    def _scores(self, query: FloatArray) -> FloatArray:
        """The cosine of every row of the file: (rows,)."""
        (dimension,) = query.shape
        if dimension != self._index.vector_dimension(self._fingerprint):
            raise ValueError(f"{self.path} has rows of other than {dimension} numbers")
        blocks = [np.empty(0, np.float32)]
        with _disk_errors(self.path), contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            while len(numbers := np.fromfile(file, _NUMBER, _BLOCK_ROWS * dimension)) >= dimension:
                num_rows = len(numbers) // dimension
                rows = numbers[: num_rows * dimension].reshape(num_rows, dimension).astype(np.float32)
                with np.errstate(all="ignore"):  # infinities of a damaged file
                    blocks.append(rows @ query)
        return self._believable(np.concatenate(blocks))

    def _believable(self, scores: FloatArray) -> FloatArray:
        wrong = ~(np.abs(scores) <= _LONGEST_COSINE)  # NaN compares as false
        if wrong.any():
            self._index.forget_vectors(self._fingerprint, np.flatnonzero(wrong).tolist())
            scores[wrong] = -np.inf
        return scores

    def _hits(
        self, rows: npt.NDArray[np.intp], scores: FloatArray, document_ids: Collection[int] | None = None
    ) -> list[Hit]:
        found = self._index.chunks_of_vectors(self._fingerprint, rows.tolist(), document_ids)
        hits = (Hit(chunk, float(scores[row])) for row, chunk in found)
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))

    def forget_lost_rows(self) -> None:
        """Forgets the rows that the file has lost: their texts are without vector again."""
        dimension = self._index.vector_dimension(self._fingerprint)
        if dimension is not None:
            self._index.forget_vectors_beyond(self._fingerprint, _num_rows(self.path, dimension))


def purge(root: Path, index: Index) -> int:
    """Overwrites and frees the rows of texts that no chunk has any more, in all files; returns how many."""

    def erase(fingerprint: str, dimension: int, rows: Sequence[int]) -> None:
        path = _path(root, fingerprint)
        num_rows, zeros = _num_rows(path, dimension), bytes(dimension * _NUMBER.itemsize)
        _write(path, {row: zeros for row in rows if row < num_rows})

    return index.purge_vectors(erase)


def unlisted_rows(path: Path, index: Index) -> list[int]:
    """Rows of a file that say something and that the index does not list: somebody was killed in between. Reads it."""
    dimension = index.vector_dimension(path.stem)
    if dimension is None:
        return [0] if path.stat().st_size else []
    num_row_bytes, listed = dimension * _NUMBER.itemsize, set(index.vector_rows(path.stem))
    with _disk_errors(path), path.open("rb") as file:
        rows = iter(lambda: file.read(num_row_bytes), b"")
        return [number for number, row in enumerate(rows) if number not in listed and any(row)]


def erase_unlisted(root: Path, index: Index) -> None:
    """Overwrites such rows, in all files; a file that the index does not know goes."""
    for path in sorted(root.glob("*.f16")):
        dimension = index.vector_dimension(path.stem)
        if dimension is None:
            _logger.info("Removed %s: the index does not know it", path)
            with _disk_errors(path):
                path.unlink(missing_ok=True)
            continue
        with index.alone():
            zeros = bytes(dimension * _NUMBER.itemsize)
            _write(path, dict.fromkeys(unlisted_rows(path, index), zeros))


def _path(root: Path, fingerprint: str) -> Path:
    return root / f"{fingerprint}.f16"


def _best_first(scores: FloatArray, limit: int) -> npt.NDArray[np.intp]:
    """Where the `limit` highest scores are, the highest first."""
    if limit < len(scores):
        highest = np.argpartition(scores, -limit)[-limit:]
        return highest[np.argsort(-scores[highest], kind="stable")]
    return np.argsort(-scores, kind="stable")


def _num_rows(path: Path, dimension: int) -> int:
    """Whole rows that the file has; none if it is missing."""
    with _disk_errors(path), contextlib.suppress(FileNotFoundError):
        return path.stat().st_size // (dimension * _NUMBER.itemsize)
    return 0


def _write(path: Path, rows: Mapping[int, bytes]) -> None:
    """Writes rows in place, durable on return; makes the file if it is missing."""
    if not rows:
        return
    with _disk_errors(path):
        private_folder.make(path.parent)
        is_new = not path.exists()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags, 0o600), "r+b") as file:
            for row, data in sorted(rows.items()):
                file.seek(row * len(data))
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            private_folder.sync(path.parent)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Generator[None]:
    """What the disk refuses becomes StoreUnusable, here and nowhere else."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(
            f"The vectors {path} cannot be read or written: {error.strerror or error}. "
            "Check the rights of its folder and the free space of its disk."
        ) from error
