"""Mends what `storage.check` found; each thing is looked at once more before it is removed.

Safe beside everything else that works on the same store: what another process restored meanwhile stays. One race is
left, two system calls wide: an empty folder may be removed while somebody is about to write into it. That write fails,
and is made again with the next question or the next run.
"""

import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from storage import chunk_file, vectors
from storage.check import RIGHTS_OF_OTHERS
from storage.chunk_format import num_file_bytes
from storage.errors import ChunkFileInvalid, ChunkFileTooNew, StorageError
from storage.findings import Finding, FindingKind, Outcome
from storage.index import Index
from storage.inventory import FingerprintFolder, fingerprint_folder, key_of
from storage.store import SWEEP_AGE_SECONDS, StateStore


class StoreMender:
    """See the module. Belongs to the thread of its Index."""

    def __init__(self, index: Index, root: Path) -> None:
        self._index = index
        self._store = StateStore(root, index)

    def mend(self, findings: Iterable[Finding]) -> Iterator[Outcome]:
        """Does the remedies of those findings that can be mended; one that fails does not stop the others.

        A remedy may bring out another finding (rows that are removed leave states that no chunk uses): check again
        afterwards, until nothing is left.
        """
        mendable = [finding for finding in findings if finding.can_be_mended]
        missing = [finding for finding in mendable if finding.kind is FindingKind.MISSING_FILE]
        # One transaction: all files may be missing.
        yield from _tried(missing, lambda: self._forget_missing(missing))
        for finding in mendable:
            if finding.kind is not FindingKind.MISSING_FILE:
                yield from _tried([finding], lambda finding=finding: self._mend_one(finding))

    def _mend_one(self, finding: Finding) -> None:
        subject = finding.subject
        match finding.kind:
            case FindingKind.DAMAGED_SEARCH:
                self._index.rebuild_search_table(str(subject))
            case FindingKind.DANGLING_ROWS:
                self._index.remove_dangling_rows(str(subject))
            case FindingKind.MISNUMBERED_CHUNKS:
                self._index.renumber_document(Path(subject))
            case FindingKind.UNUSED_STATES:
                self._store.purge_unlinked()
            case FindingKind.STRAY_FILE:
                chunk_file.remove(Path(subject))
            case FindingKind.WRONG_SIZE | FindingKind.DAMAGED_FILE:
                self._mend_file(Path(subject))
            case FindingKind.FOREIGN_BLOB:
                self._store.drop(key_of(Path(subject)), finding.problem)
            case FindingKind.UNRECORDED_FILE:
                self._remove_unrecorded(Path(subject))
            case FindingKind.UNUSED_FOLDER:
                self._remove_folder(Path(subject))
            case FindingKind.LOST_VECTORS:
                self._forget_lost_vectors(Path(subject))
            case FindingKind.UNUSED_VECTORS:
                vectors.purge(Path(subject), self._index)
            case FindingKind.UNUSED_FILE:
                self._remove_vectors_of_nobody(Path(subject))
            case FindingKind.NOT_PRIVATE:
                _make_private(Path(subject))
            case _:
                raise AssertionError(f"{finding.kind} has no remedy")

    def _forget_lost_vectors(self, path: Path) -> None:
        vectors.VectorStore(path.parent, self._index, path.stem).forget_lost_rows()

    def _remove_vectors_of_nobody(self, path: Path) -> None:
        with self._index.alone():
            if self._index.vector_dimension(path.stem) is None:
                path.unlink(missing_ok=True)

    def _forget_missing(self, findings: Sequence[Finding]) -> None:
        self._store.forget_missing(key_of(Path(finding.subject)) for finding in findings)

    def _mend_file(self, path: Path) -> None:
        """A whole file is right, whatever the index says of its size; any other is dropped."""
        key = key_of(path)
        try:
            state = chunk_file.read(path, key)
        except ChunkFileTooNew:  # replaced meanwhile, by a newer version
            return
        except ChunkFileInvalid:
            self._store.drop_damaged(key)
        except FileNotFoundError:
            return
        else:
            with self._index.alone():
                if self._index.has_state(key):
                    self._index.record_state(key, "chunk", state.num_tokens, num_file_bytes(state))

    def _remove_unrecorded(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < _oldest_in_flight():
                self._store.remove_unlisted(path)

    def _remove_folder(self, path: Path) -> None:
        with suppress(FileNotFoundError), self._index.alone():
            self._remove_unused(fingerprint_folder(path))

    def _remove_unused(self, folder: FingerprintFolder) -> None:
        if self._index.state_keys(folder.fingerprint) or folder.changed_at() > _oldest_in_flight():
            return
        for name in folder.chunk_files():
            chunk_file.remove(Path(name))
        folders = [name for name, status in folder.statuses.items() if stat.S_ISDIR(status.st_mode)]
        for name in sorted(folders, key=len, reverse=True):
            Path(name).rmdir()


def _tried(findings: Sequence[Finding], remedy: Callable[[], None]) -> Iterator[Outcome]:
    failure = None
    try:
        if findings:
            remedy()
    except StorageError as error:
        failure = str(error)
    except OSError as error:
        failure = error.strerror or str(error)
    yield from (Outcome(finding, failure) for finding in findings)


def _oldest_in_flight() -> float:
    return time.time() - SWEEP_AGE_SECONDS


def _make_private(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~RIGHTS_OF_OTHERS)
