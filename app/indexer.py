"""Watched folders → searchable chunks: what is new is listed, what changed is read, what is gone is forgotten.

A document goes from *found* (listed, its turn will come) over *read* (its text is here, and being cut) to *searchable*
(its chunks are in the index) and *steeped* (`app.steeper`). Each step that is kept is a transaction of its own, so an
interrupted run keeps everything it finished and the next one goes on from there. Between *read* and *searchable* lies
counting tokens, milliseconds: that step is not kept.

A file whose size and time are unchanged is not read again. What changed last is read first. What is gone is forgotten
last: a document that was moved or copied finds the states of its text still there, and nothing is steeped again.

Files are read ahead in the reader's processes while this thread counts tokens and writes. All methods are generators:
progress and stopping come between two files. An `Indexer` belongs to the thread of its Index. One indexing process at
a time (`indexing_lock`).
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from app.chunking import cut
from app.errors import AlreadyRunning
from app.folders.scan import FoundFile, ScanProblem, ScanResult, scan
from app.formats.errors import CannotOpen, UnreadableDocument
from app.formats.registry import ReadFile
from app.locations import Locations
from app.reader import DocumentReader
from app.wording import counted
from storage import private_folder
from storage.errors import UnknownFolder
from storage.index import Index
from storage.store import StateStore
from storage.values import Document, DocumentVersion, Folder

CUT_VERSION = 2
"""Raised when the same file would be extracted or cut differently than before: all documents are then read again."""

_READ_AHEAD_FILES = 16
_READ_AHEAD_BYTES = 32 << 20
"""What may wait in memory, read and not yet cut; a file larger than that is read alone."""

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
    private_folder.make(locations.data_dir)
    lock = FileLock(locations.index_lock, timeout=0, mode=private_folder.FILE_MODE)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(
            f"another steep is indexing or watching already (it holds {locations.index_lock}): it reads what changes. "
            "Wait for it, or stop it first."
        ) from None
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True, slots=True)
class _Place:
    """A watched folder, or a part of it, as it was found."""

    folder: Folder
    result: ScanResult
    known: dict[Path, Document]

    def is_gone(self, path: Path) -> bool:
        return not self.result.may_still_exist(path)


class Indexer:
    """See the module."""

    def __init__(
        self,
        index: Index,
        store: StateStore,
        reader: DocumentReader,
        count_tokens: Callable[[str], int],
        chunk_tokens: int,
        *,
        follow_links: bool = False,
    ) -> None:
        self._index, self._store, self._reader = index, store, reader
        self._count_tokens, self._chunk_tokens = count_tokens, chunk_tokens
        self._follow_links = follow_links
        self._cut_as = f"cut{CUT_VERSION}-{chunk_tokens}-"

    def sweep(self, folders: Iterable[Folder] | None = None) -> Iterator[IndexEvent]:
        """Look through whole folders, all if none are given."""
        wanted = self._index.folders() if folders is None else folders
        return self.update((folder, folder.path) for folder in wanted)

    def update(self, places: Iterable[tuple[Folder, Path]]) -> Iterator[IndexEvent]:
        """Bring the index up to date with these files or folders, each inside its watched folder."""
        looked_at = [self._look_at(folder, path) for folder, path in places]
        for place in looked_at:
            for problem in place.result.problems:
                yield FolderProblem(problem.path, problem.reason)
        yield from self._take_files(looked_at)
        yield from self._forget_missing(looked_at)
        if self._index.holds_deleted_text():
            self._store.purge_unlinked()

    def compact(self) -> bool:
        """Clear deleted text from the index's files; False if there was none. Seconds per 100 MB of text."""
        if not self._index.holds_deleted_text():
            return False
        self._index.compact()
        return True

    def _look_at(self, folder: Folder, path: Path) -> _Place:
        documents = self._index.documents(folder.id, below=None if path == folder.path else path)
        result = scan(folder.path, below=path, follow_links=self._follow_links)
        if documents and path == folder.path and _is_empty(path):
            # What an unplugged drive leaves behind. Reading all of it again would take hours.
            reason = (
                f"is empty, but {counted(len(documents), 'document')} of it are known. If it is a drive, plug it in; "
                "if they are gone, steep remove purges them."
            )
            result = ScanResult((), (ScanProblem(path, reason),))
        return _Place(folder, result, {document.path: document for document in documents})

    # --- files that are there

    def _take_files(self, places: list[_Place]) -> Iterator[IndexEvent]:
        total, num_done = sum(len(place.result.files) for place in places), 0
        to_read: list[tuple[_Place, FoundFile]] = []
        for place in places:
            changed = [found for found in place.result.files if not self._is_known(place, found)]
            self._list_new(place, changed)
            to_read += ((place, found) for found in changed)
            unchanged = set(place.result.files).difference(changed)
            for found in (found for found in place.result.files if found in unchanged):
                num_done += 1
                yield FileSeen(found.path, num_done, total, error=place.known[found.path].error)
        to_read.sort(key=lambda each: each[1].mtime_ns, reverse=True)
        for place, found, reading in self._read_ahead(to_read):
            num_done += 1
            error = self._take(place, found, reading)
            yield FileSeen(found.path, num_done, total, was_read=True, error=error)

    def _is_known(self, place: _Place, found: FoundFile) -> bool:
        known = place.known.get(found.path)
        return (
            known is not None
            and (known.num_bytes, known.mtime_ns) == (found.num_bytes, found.mtime_ns)
            and known.content_digest.startswith(self._cut_as)
        )

    def _list_new(self, place: _Place, files: Iterable[FoundFile]) -> None:
        new = [_version(found, _READ_AGAIN, found.path.name) for found in files if found.path not in place.known]
        if new:
            self._keep(lambda: self._index.list_documents(place.folder.id, new))

    def _read_ahead(
        self, wanted: list[tuple[_Place, FoundFile]]
    ) -> Iterator[tuple[_Place, FoundFile, Future[ReadFile]]]:
        waiting: deque[tuple[_Place, FoundFile, Future[ReadFile]]] = deque()
        num_bytes = 0
        for place, found in wanted:
            while waiting and (len(waiting) == _READ_AHEAD_FILES or num_bytes + found.num_bytes > _READ_AHEAD_BYTES):
                num_bytes -= waiting[0][1].num_bytes
                yield waiting.popleft()
            waiting.append((place, found, self._reader.submit(self._where_to_read(found.path))))
            num_bytes += found.num_bytes
        yield from waiting

    def _where_to_read(self, path: Path) -> Path:
        """Readers open no links: those that the scan followed are followed here."""
        return path.resolve() if self._follow_links and path.is_symlink() else path

    def _take(self, place: _Place, found: FoundFile, reading: Future[ReadFile]) -> str | None:
        """Put what was read into the index; returns why it could not be read."""
        folder_id, name = place.folder.id, found.path.name
        if not found.num_bytes:
            # An empty file is a note somebody is about to write, not a broken document.
            self._keep(lambda: self._index.put_document(folder_id, _version(found, self._cut_as, name), []))
            return None
        try:
            read = reading.result()
        except CannotOpen as error:
            # What was read of it before stays: locked is not gone.
            known = place.known.get(found.path)
            if known is None or known.error or known.is_waiting:
                reason = error.reason
                self._keep(lambda: self._index.fail_document(folder_id, _version(found, _READ_AGAIN, name), reason))
            return error.reason
        except UnreadableDocument as error:
            reason = error.reason
            self._keep(lambda: self._index.fail_document(folder_id, _version(found, self._cut_as, name), reason))
            return reason
        document = read.document
        digest = hashlib.blake2b(document.text.encode(errors="surrogatepass"), digest_size=16).hexdigest()
        chunks = cut(document, self._count_tokens, self._chunk_tokens)
        version = DocumentVersion(found.path, read.num_bytes, read.mtime_ns, self._cut_as + digest, document.title)
        self._keep(lambda: self._index.put_document(folder_id, version, chunks))
        return None

    def _keep(self, write: Callable[[], None]) -> None:
        """Write, unless somebody stopped watching the folder meanwhile."""
        with suppress(UnknownFolder):
            write()

    # --- files that are not

    def _forget_missing(self, places: list[_Place]) -> Iterator[FileGone]:
        for place in places:
            present = {found.path for found in place.result.files}
            for path in place.known:
                if path not in present and place.is_gone(path) and self._index.remove_document(path):
                    yield FileGone(path)


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False  # the scan reports it


def _version(found: FoundFile, digest: str, title: str) -> DocumentVersion:
    return DocumentVersion(found.path, found.num_bytes, found.mtime_ns, digest, title)
