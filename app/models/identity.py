"""Which model a file is, by its bytes: the first fact of every chunk state's fingerprint.

SHA-256 of the file; of a model in parts, SHA-256 of the parts' digests. Hashing takes seconds, so digests are
remembered in the index by path, size and time.
"""

import hashlib
from pathlib import Path

from app.models.found import at_path
from storage.index import Index

_BLOCK_BYTES = 4 << 20


def model_identity(path: Path, index: Index) -> str:
    """The digest of the model that is loaded from this file."""
    return _of_parts([_known(part, index) or _hashed(part, index) for part in _parts(path)])


def known_identity(path: Path, index: Index) -> str | None:
    """What `model_identity` would say, if the index remembers it."""
    digests = [_known(part, index) for part in _parts(path)]
    known = [digest for digest in digests if digest]
    return _of_parts(known) if len(known) == len(digests) else None


def _parts(path: Path) -> tuple[Path, ...]:
    return at_path(path).paths


def _of_parts(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _known(path: Path, index: Index) -> str | None:
    stat = path.stat()
    return index.model_sha256(path, stat.st_size, stat.st_mtime_ns)


def _hashed(path: Path, index: Index) -> str:
    stat = path.stat()  # before it is read: a file that changes meanwhile has another time afterwards
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    index.remember_model_sha256(path, stat.st_size, stat.st_mtime_ns, digest.hexdigest())
    return digest.hexdigest()
