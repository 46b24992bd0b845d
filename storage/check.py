"""Finds disagreement of files and index: what kills, power cuts, bad disks and strangers leave. Changes nothing.

Safe beside everything else that works on the same store, and what is in flight is not reported:
- A file without a row counts when it is older than SWEEP_AGE_SECONDS; the folder of a fingerprint that no row mentions,
  when everything in it is.
- States that no chunk and no conversation uses count when neither they nor any document were touched for as long: the
  purge that follows each reading of the folders may still be to come. Until then they may lack their files.
- Every finding was there in two looks in a row, a moment apart. Findings are equal by content: where a number changed
  between two looks, somebody is at work.

No look locks anything but one: full-text tables are compared with their contents by a command of SQLite's that keeps
other writers waiting, two seconds per 500 MB of index.

A damaged index ends the check: what it says of the files cannot be believed, and nothing may be removed on its word.
What a newer version of the program wrote is told and left alone.

Files without a row can only be removed once every chunk has its state: until then the index may be a new one over old
files, which are used again as the documents are steeped.
"""

import os
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

from storage import chunk_file
from storage.errors import ChunkFileInvalid, ChunkFileTooNew
from storage.findings import Finding, FindingKind, Progress
from storage.index import Index
from storage.inventory import FingerprintFolder, Statuses, fingerprint_folders, path_of, statuses
from storage.store import SWEEP_AGE_SECONDS, StateStore
from storage.values import ChunkState, StateKey

PAUSE_SECONDS = 2.0
"""Between two looks; the longest transaction, about a second, may keep a writer waiting between file and row."""

MAX_LOOKS = 10
"""Until two in a row agree. A purge of 100,000 files changes what is seen for some ten seconds."""

_NUM_NUMBER_BYTES = 2
"""Of a number in a file of vectors; see `storage.vectors`, which would import numpy."""

RIGHTS_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO

_ROWS = {
    "documents": "documents without their folder",
    "chunks": "chunks without their document",
    "chunk_states": "links without their chunk or their state",
    "turns": "turns without their conversation",
    "conversation_states": "memories without their conversation or their state",
    "conversation_state_chunks": "links to chunks without their memory",
}
_MOVE_AWAY = "Move the file away, then add your folders again: chunk states that are still there are used again"
_DROP = "Repair drops the state, which is computed again when it is needed"
_ALLOW_READING = "Give yourself the right to read it"
_NOT_YET = "It may belong to a document that waits to be steeped: let all be steeped first, or remove it yourself"

_NEWER = "Use that version; or leave it: this one computes the state again when it is needed, and replaces the file"

_Look = Callable[[], Iterable[Finding]]

Describe = Callable[[ChunkState], str]
"""Says how the blob of a state is built; states of one fingerprint are built alike. ValueError for what is no blob of a
state of these tokens."""


class StoreCheck:
    """See the module. Belongs to the thread of its Index. `pause_seconds` lies between two looks.

    Without `describe`, blobs are bytes. `private` are other files and folders that nobody else may read.
    """

    def __init__(
        self,
        index: Index,
        root: Path,
        vectors_root: Path | None = None,
        *,
        private: Iterable[Path] = (),
        pause_seconds: float = PAUSE_SECONDS,
        describe: Describe | None = None,
    ) -> None:
        self._index = index
        self._root = root
        self._vectors_root = vectors_root
        self._private = tuple(private)
        self._store = StateStore(root, index)
        self._pause_seconds = pause_seconds
        self._describe = describe or _describe_nothing
        self._built: defaultdict[str, defaultdict[str, list[StateKey]]] = defaultdict(lambda: defaultdict(list))
        """By fingerprint: which states are built how."""
        self._usual: dict[str, str] = {}
        """How most states of a fingerprint are built."""

    def find(self, *, deep: bool = False) -> Iterator[Finding | Progress]:
        """All findings; `deep` also reads every chunk file on record and checks each of its bytes.

        May be left at any point. Errors: StoreUnusable and OSError when the store cannot be looked at.
        """
        damaged = self._confirmed(self._look_at_index)
        yield from damaged
        if damaged:
            return
        looks = (
            self._look_at_search_tables,
            self._look_at_references,
            self._look_at_ordinals,
            self._look_at_unused_states,
            self._look_at_vectors,
            self._look_at_strays,
            self._look_at_files,
        )
        keys = list(self._index.state_sizes()) if deep else []
        num_steps, told = len(looks) + len(keys), set[Finding]()
        for number, look in enumerate(looks):
            yield Progress(number, num_steps)
            findings = self._confirmed(look)
            told.update(findings)
            yield from findings
        suspects: list[StateKey] = []
        for number, key in enumerate(keys, start=len(looks)):
            yield Progress(number, num_steps)
            suspects += [key] if self._look_into(key) else []
        yield Progress(num_steps, num_steps)
        suspects += self._built_otherwise()
        for finding in self._confirmed(lambda: filter(None, map(self._look_again, suspects))):
            if finding not in told:  # a file of a newer version may be told already
                yield finding

    def _confirmed(self, look: _Look) -> list[Finding]:
        """What two looks in a row agree on."""
        findings = list(look())
        for _ in range(MAX_LOOKS):
            if not findings:
                break
            time.sleep(self._pause_seconds)
            seen = set(look())
            before, findings = findings, [finding for finding in findings if finding in seen]
            if findings == before:
                break
        return findings

    # The index

    def _look_at_index(self) -> Iterator[Finding]:
        if messages := self._index.damage():
            problem = f"the index is damaged: {messages[0]}"
            yield Finding(FindingKind.DAMAGED_INDEX, self._index.path, problem, _MOVE_AWAY, can_be_mended=False)

    def _look_at_search_tables(self) -> Iterator[Finding]:
        for table in self._index.damaged_search_tables():
            problem = "the search table disagrees with the texts"
            yield Finding(FindingKind.DAMAGED_SEARCH, table, problem, "Repair makes it anew from them")

    def _look_at_references(self) -> Iterator[Finding]:
        for table, number in self._index.dangling_rows().items():
            problem = f"{_ROWS.get(table, 'rows that refer to nothing')}: {number:,}"
            yield Finding(FindingKind.DANGLING_ROWS, table, problem, "Repair removes them")

    def _look_at_ordinals(self) -> Iterator[Finding]:
        for path in self._index.misnumbered_documents():
            problem = "the chunks of the document are not numbered 0, 1, 2 and so on"
            remedy = "Repair numbers them and has the document read again"
            yield Finding(FindingKind.MISNUMBERED_CHUNKS, path, problem, remedy)

    def _look_at_unused_states(self) -> Iterator[Finding]:
        moment = int(time.time()) - SWEEP_AGE_SECONDS
        unused = self._index.unlinked_states(unused_since=moment)
        if unused and self._index.last_indexed_at() < moment:
            problem = f"states that no chunk and no conversation uses: {len(unused):,}"
            yield Finding(FindingKind.UNUSED_STATES, self._root, problem, "Repair removes them")

    # The vectors

    def _look_at_vectors(self) -> Iterator[Finding]:
        if self._vectors_root is None:
            return
        dimensions = self._index.vector_dimensions()
        for fingerprint, dimension in dimensions.items():
            path = self._vectors_root / f"{fingerprint}.f16"
            num_rows = _size_of(path) // (dimension * _NUM_NUMBER_BYTES)
            if num_lost := sum(row >= num_rows for row in self._index.vector_rows(fingerprint)):
                problem = f"has lost {num_lost:,} vectors that the index lists"
                yield Finding(FindingKind.LOST_VECTORS, path, problem, "Repair forgets them; they are made again")
        moment = time.time() - SWEEP_AGE_SECONDS
        if (number := self._index.count_unused_vectors()) and self._index.last_indexed_at() < moment:
            problem = f"vectors of texts that are gone: {number:,}"
            yield Finding(FindingKind.UNUSED_VECTORS, self._vectors_root, problem, "Repair erases them")
        for path in sorted(self._vectors_root.glob("*.f16")):
            with suppress(FileNotFoundError):
                if path.stem not in dimensions and path.stat().st_mtime < moment:
                    problem = "the index knows no vectors of this model"
                    yield Finding(FindingKind.UNUSED_FILE, path, problem, "Repair removes the file")

    # The files

    def _look_at_strays(self) -> Iterator[Finding]:
        for path in sorted(chunk_file.stray_temporaries(self._root)):
            yield Finding(FindingKind.STRAY_FILE, path, "a writer that was killed left this file", "Repair removes it")

    def _look_at_files(self) -> Iterator[Finding]:
        # Rows before files: what is put meanwhile is young, and what is removed has no row at the next look.
        recorded = self._index.state_sizes()
        folders = fingerprint_folders(self._root)
        sizes = {self._path_of(key): num_bytes for key, num_bytes in recorded.items()}
        files = {path: status for folder in folders for path, status in folder.chunk_files().items()}
        newer = {path for path in sorted(_doubtful(sizes, files)) if _is_newer(path)}
        yield from (_newer_file(Path(path)) for path in sorted(newer))
        sizes = {path: num_bytes for path, num_bytes in sizes.items() if path not in newer}
        files = {path: status for path, status in files.items() if path not in newer}
        if missing := sizes.keys() - files.keys():
            # A purge takes the files of all that are unlinked before it takes the rows.
            unlinked = {self._path_of(key) for key in self._index.unlinked_states()}
            yield from _missing_files(missing - unlinked)
        yield from _wrong_sizes(sizes, files)
        unrecorded = files.keys() - sizes.keys()
        mentioned = {key.fingerprint for key in recorded}
        yield from _unused(folders, unrecorded, mentioned, can_be_removed=self._index.is_steeped())
        yield from _open_to_others(statuses([self._root, *self._index.files(), *self._private, *self._vector_files()]))
        for folder in folders:
            yield from _open_to_others(folder.statuses)

    def _vector_files(self) -> list[Path]:
        return [self._vectors_root, *self._vectors_root.glob("*.f16")] if self._vectors_root else []

    def _path_of(self, key: StateKey) -> str:
        return path_of(os.fspath(self._root), key)

    def _look_into(self, key: StateKey) -> Finding | None:
        built = self._inspect(key)
        if not isinstance(built, str):
            return built
        self._built[key.fingerprint][built].append(key)
        return None

    def _look_again(self, key: StateKey) -> Finding | None:
        built = self._inspect(key)
        if not isinstance(built, str):
            return built
        if self._usual.get(key.fingerprint, built) == built:
            return None
        problem = "its bytes are right, but it is not built as the other states of its model"
        return Finding(FindingKind.FOREIGN_BLOB, self._store.path_of(key), problem, _DROP)

    def _inspect(self, key: StateKey) -> Finding | str | None:
        """How the state is built, or what is wrong with its file; None: there is none."""
        path = self._store.path_of(key)
        try:
            return self._describe(chunk_file.read(path, key))
        except FileNotFoundError:  # removed meanwhile, or a finding already
            return None
        except ChunkFileTooNew:
            return _newer_file(path)
        except ChunkFileInvalid as error:
            return Finding(FindingKind.DAMAGED_FILE, path, str(error).removeprefix(f"{path}: "), _DROP)
        except ValueError as error:
            return Finding(FindingKind.FOREIGN_BLOB, path, f"its bytes are right, but {error}", _DROP)
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
            return Finding(FindingKind.UNREADABLE_FILE, path, problem, _ALLOW_READING, can_be_mended=False)

    def _built_otherwise(self) -> list[StateKey]:
        """The states that are not built as most of their fingerprint, where there is a most."""
        found: list[StateKey] = []
        for fingerprint, ways in self._built.items():
            first, *others = sorted(ways, key=lambda way: len(ways[way]), reverse=True)
            if others and len(ways[first]) > len(ways[others[0]]):
                self._usual[fingerprint] = first
                found += [key for way in others for key in ways[way]]
        return found


def _size_of(path: Path) -> int:
    """0 for a file that is not there."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _describe_nothing(_: ChunkState) -> str:
    return ""


def _doubtful(sizes: Mapping[str, int], files: Statuses) -> Iterator[str]:
    """Files that are not as the index has them."""
    return (path for path, status in files.items() if sizes.get(path) != status.st_size)


def _is_newer(path: str) -> bool:
    try:
        chunk_file.check_is_ours(Path(path))
    except ChunkFileTooNew:
        return True
    return False


def _newer_file(path: Path) -> Finding:
    problem = "a newer version of the program wrote this state"
    return Finding(FindingKind.NEWER_FILE, path, problem, _NEWER, can_be_mended=False)


def _missing_files(paths: Iterable[str]) -> Iterator[Finding]:
    for path in sorted(paths):
        yield Finding(FindingKind.MISSING_FILE, Path(path), "the index lists this state, but there is no file", _DROP)


def _wrong_sizes(sizes: Mapping[str, int], files: Statuses) -> Iterator[Finding]:
    for path in sorted(sizes.keys() & files.keys()):
        num_bytes = files[path].st_size
        if num_bytes != sizes[path]:
            problem = f"has {num_bytes:,} bytes, the index says {sizes[path]:,}"
            remedy = "Repair corrects the index if the file is whole, and drops the state if not"
            yield Finding(FindingKind.WRONG_SIZE, Path(path), problem, remedy)


def _unused(
    folders: Iterable[FingerprintFolder],
    unrecorded: AbstractSet[str],
    mentioned: AbstractSet[str],
    *,
    can_be_removed: bool,
) -> Iterator[Finding]:
    """Folders of fingerprints that no row mentions; files without a row elsewhere."""
    moment = time.time() - SWEEP_AGE_SECONDS
    for folder in folders:
        files = folder.chunk_files()
        if folder.fingerprint not in mentioned and not folder.has_strangers() and folder.changed_at() < moment:
            problem = f"the index knows no state of this model; chunk files: {len(files):,}"
            is_safe = can_be_removed or not files
            remedy = "Repair removes the folder" if is_safe else _NOT_YET
            yield Finding(FindingKind.UNUSED_FOLDER, folder.path, problem, remedy, is_safe)
            continue
        for path in sorted(files.keys() & unrecorded):
            if files[path].st_mtime < moment:
                problem = "the index does not list this state"
                remedy = "Repair removes it" if can_be_removed else _NOT_YET
                yield Finding(FindingKind.UNRECORDED_FILE, Path(path), problem, remedy, can_be_removed)


def _open_to_others(seen: Statuses) -> Iterator[Finding]:
    if os.name == "nt":  # rights are not in the mode there
        return
    for path, status in seen.items():
        mode = stat.S_IMODE(status.st_mode)
        if mode & RIGHTS_OF_OTHERS:
            problem = f"is open to other users of this machine (mode {mode:o})"
            yield Finding(FindingKind.NOT_PRIVATE, Path(path), problem, "Repair makes it yours alone")
