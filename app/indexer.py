"""Watched folders → searchable chunks → chunk states: what changed is read, what is missing is steeped.

Each document is one transaction, each chunk state another, so an interrupted run keeps everything it finished and
the next one goes on from there. A file whose size and time are unchanged is not read again. `read_folders` is a
generator: progress and stopping come between two files. One indexing process at a time (`indexing_lock`).
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from app.chunking import cut
from app.errors import AlreadyRunning
from app.folder_scan import FoundFile, ScanResult, scan
from app.formats.errors import CannotOpen, UnreadableDocument
from app.formats.registry import read_document
from app.locations import Locations
from storage.index import Index
from storage.store import StateStore
from storage.values import DocumentVersion, Folder

CUT_VERSION = 1
"""Raised when the same file would be extracted or cut differently than before: all documents are then read again."""


_READ_AGAIN = ""
"""The digest of a document that could not be opened: its rights may change without its size and time."""


@dataclass(frozen=True, slots=True)
class FileSeen:
    """One file of a folder is dealt with."""

    path: Path
    num_done: int
    num_total: int
    was_read: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class FileGone:
    """A document that is no longer there was forgotten."""

    path: Path


@dataclass(frozen=True, slots=True)
class FolderProblem:
    """A place that could not be looked at; its documents stay as they were."""

    path: Path
    reason: str


IndexEvent = FileSeen | FileGone | FolderProblem


@contextmanager
def indexing_lock(locations: Locations) -> Iterator[None]:
    """Hold the right to index; raises `AlreadyRunning` at once if another process has it."""
    locations.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(locations.index_lock, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(
            f"another steep is indexing already (it holds {locations.index_lock}). Wait for it, or stop it first."
        ) from None
    try:
        yield
    finally:
        lock.release()


def read_folders(
    index: Index, store: StateStore, count_tokens: Callable[[str], int], chunk_tokens: int
) -> Iterator[IndexEvent]:
    """Bring the index up to date with all watched folders; purges the states of what is gone."""
    scans = [(folder, scan(folder.path)) for folder in index.folders()]
    num_gone = 0
    for folder, result in scans:
        for problem in result.problems:
            yield FolderProblem(problem.path, problem.reason)
        for path in _gone(index, folder, result):
            index.remove_document(path)
            num_gone += 1
            yield FileGone(path)
    found_files = [(folder, found) for folder, result in scans for found in result.files]
    for number, (folder, found) in enumerate(found_files, start=1):
        yield _take(index, folder, found, number, len(found_files), count_tokens, chunk_tokens)
    if num_gone:
        index.compact()
    store.purge_unlinked()


def _gone(index: Index, folder: Folder, result: ScanResult) -> list[Path]:
    present = {found.path for found in result.files}
    known = [document.path for document in index.documents(folder.id)]
    return [path for path in known if path not in present and not result.may_still_exist(path)]


def _take(
    index: Index,
    folder: Folder,
    found: FoundFile,
    number: int,
    total: int,
    count_tokens: Callable[[str], int],
    chunk_tokens: int,
) -> FileSeen:
    known = index.document(found.path)
    cut_as = f"cut{CUT_VERSION}-{chunk_tokens}-"
    same_file = known and (known.num_bytes, known.mtime_ns) == (found.num_bytes, found.mtime_ns)
    if known and same_file and known.content_digest.startswith(cut_as):
        return FileSeen(found.path, number, total, error=known.error)
    if not found.num_bytes:
        index.put_document(folder.id, _version(found, cut_as, found.path.name), [])
        return FileSeen(found.path, number, total, was_read=True)
    try:
        document = read_document(found.path)
    except CannotOpen as error:
        # What was read of it before stays: locked is not gone.
        if known is None or known.error:
            index.fail_document(folder.id, _version(found, _READ_AGAIN, found.path.name), error.reason)
        return FileSeen(found.path, number, total, error=error.reason)
    except UnreadableDocument as error:
        index.fail_document(folder.id, _version(found, cut_as, found.path.name), error.reason)
        return FileSeen(found.path, number, total, was_read=True, error=error.reason)
    digest = hashlib.blake2b(document.text.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    chunks = cut(document, count_tokens, chunk_tokens)
    index.put_document(folder.id, _version(found, cut_as + digest, document.title), chunks)
    return FileSeen(found.path, number, total, was_read=True)


def _version(found: FoundFile, digest: str, title: str) -> DocumentVersion:
    return DocumentVersion(found.path, found.num_bytes, found.mtime_ns, digest, title)
