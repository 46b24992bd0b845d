"""The state store: chunk files and their rows in the index, kept together.

    {root}/{fingerprint}/{first two digits of the digest}/{digest}.kv

A `StateStore` belongs to the thread of its Index. A loader thread opens its own pair, or reads a file itself
with `chunk_file.read(store.path_of(key), key)`, which any thread may do.

Order, so that a kill or a power cut in between harms nothing: putting writes the file, then the row; removing
takes the file, then the row. What can be left is a row without a file (the next `get` is a miss and removes
it) or a file without a row (the next `get` gives the row back, `adopt` links it, `sweep` removes it).

One writer: a file gets its name, or loses it, in the transaction that changes its row (`Index.alone`), and what was
seen before is looked at once more there. So two processes that put, adopt and purge the same state at once end as if
one of them had come after the other. Bytes are written before, and read outside: nobody waits for more than
milliseconds.

Conversations. What the model remembers of one is a state of all its tokens, from position 0 on. Its key says which
tokens those are, not how their rows came about, which may be by blending: two conversations of the very same tokens
share a file, and either's rows serve both. A file goes when no conversation uses it.

Errors: StoreUnusable when the disk refuses, naming the file and the system's reason. A missing, damaged or
foreign file is a Miss, never an error. One that a newer version of the program wrote is a Miss and stays, row and
all, until the state is computed here: then it is replaced. The log names every file that is removed or replaced so,
with the reason, never the text of a document.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from storage import chunk_file
from storage.chunk_format import num_file_bytes
from storage.errors import ChunkFileInvalid, ChunkFileTooNew, StoreUnusable
from storage.index import Index
from storage.inventory import key_of
from storage.state_file import StateFile
from storage.values import ChunkState, Lookup, Miss, SavedConversation, StateKey, StateRole

_NUM_IN_ONE_STEP = 100
"""States that are removed in one transaction, in some milliseconds."""

SWEEP_AGE_SECONDS = 3600
"""A file without a row that is younger may be between its two steps in another process."""

_logger = logging.getLogger(__name__)


class StateStore:
    """See the module. Holds nothing open itself: the Index is closed by whoever opened it."""

    def __init__(self, root: Path, index: Index) -> None:
        self._root = root
        self._index = index

    def path_of(self, key: StateKey) -> Path:
        return self._root / key.fingerprint / key.digest[:2] / f"{key.digest}.kv"

    def get(self, key: StateKey, token_ids: Sequence[int], role: StateRole = "chunk") -> Lookup:
        """The state of exactly these tokens, checked, in memory of its own; or why there is none.

        A damaged file is removed with its row, so that it gets replaced. A good file without a row gets one,
        with `role`. Does not count as use: that is `Index.touch_states`, once per answer.
        """
        found = self._read(key)
        if isinstance(found, Miss):
            return found
        if found.token_ids != tuple(token_ids):
            # The file is what its name says: it is the caller's key that is not of these tokens.
            return Miss(key, f"{self.path_of(key)} holds other tokens than those asked for")
        if not self._index.has_state(key):
            self._record_if_there(found, role, ())
        return found

    def find(self, key: StateKey, token_ids: Sequence[int]) -> StateFile | None:
        """The file of these tokens' state, for a thread that has no store; None where there is none. One stat."""
        path = self.path_of(key)
        with _disk_errors(path), contextlib.suppress(FileNotFoundError):
            return StateFile(path, key, tuple(token_ids), path.stat().st_size)
        return None

    def contains(self, key: StateKey) -> bool:
        """Whether there is a file; says nothing about its bytes. One stat: cheap for every chunk."""
        path = self.path_of(key)
        with _disk_errors(path):
            return path.is_file()

    def adopt(self, key: StateKey, token_ids: Sequence[int], chunk_ids: Iterable[int]) -> bool:
        """Links chunks to a state that is already on disk and good; False when there is none to link to.

        For a text that another document had before: reading its state is cheaper than computing it.
        """
        state = self.get(key, token_ids)
        return not isinstance(state, Miss) and self._record_if_there(state, "chunk", chunk_ids)

    def put(self, state: ChunkState, role: StateRole = "chunk", chunk_ids: Iterable[int] = ()) -> None:
        """Makes the state durable, file first, then row; replaces one that is there."""
        with self._written(state) as place:
            place()
            self._record(state, role, chunk_ids)

    def keep_conversation(
        self, conversation_id: int, num_turns: int, transcript: str, chunk_ids: Collection[int], state: ChunkState
    ) -> str:
        """Makes a conversation's memory durable, in place of the one before; `chunk_ids` are the chunks in it.

        Returns why not, or nothing: the conversation or one of the chunks is gone.
        """
        before = self._index.remembered(conversation_id)
        with self._written(state) as place:
            reason = self._index.remember(
                conversation_id, state.key, state.num_tokens, num_file_bytes(state), num_turns, transcript, chunk_ids
            )
            if not reason:
                place()
        if before and not reason:
            self._purge_unless_used(before.key)
        return reason

    def recall_conversation(self, conversation_id: int) -> SavedConversation | Miss:
        """What was kept of a conversation, checked, in memory of its own; or why there is nothing."""
        remembered = self._index.remembered(conversation_id)
        if remembered is None:
            return Miss(None, "nothing was kept of it")
        if remembered.is_doomed:
            return Miss(remembered.key, "a document that it holds was changed or removed")
        found = self._read(remembered.key)
        return found if isinstance(found, Miss) else SavedConversation(found, remembered.transcript)

    def let_go_of_conversation(self, conversation_id: int, reason: str) -> None:
        """Removes a conversation's memory, file first, then rows. The reason is logged."""
        remembered = self._index.remembered(conversation_id)
        if remembered:
            _logger.info("Removed the memory of conversation %d: %s", conversation_id, reason)
            self._index.forget_remembered(conversation_id)
            self._purge_unless_used(remembered.key)

    def drop(self, key: StateKey, reason: str) -> None:
        """Removes a state, file first, then row; its chunks are without state again. The reason is logged."""
        _logger.warning("Dropped the chunk state %s: %s", self.path_of(key), reason)
        with self._index.alone():
            self._remove_file(key)
            self._index.forget_state(key)

    def evict(self, reasons: Mapping[StateKey, str]) -> int:
        """Removes states to make room, files first, then rows; returns the bytes of their files.

        Chunks are without state again, conversations without memory. The reasons are logged.
        """
        num_freed, keys = 0, list(reasons)
        for start in range(0, len(keys), _NUM_IN_ONE_STEP):
            step = keys[start : start + _NUM_IN_ONE_STEP]
            with self._index.alone():
                num_freed += sum(self._evict_file(key, reasons[key]) for key in step)
                self._index.forget_states(step)
        return num_freed

    def _evict_file(self, key: StateKey, reason: str) -> int:
        """Removes a file; returns its bytes, 0 where there was none."""
        path = self.path_of(key)
        with _disk_errors(path), contextlib.suppress(FileNotFoundError):
            num_bytes = path.stat().st_size
            _logger.info("Evicted %s of %d bytes: %s", path, num_bytes, reason)
            chunk_file.remove(path)
            return num_bytes
        return 0

    def purge_unlinked(self) -> int:
        """Removes the states that no chunk and no conversation uses any more; returns how many. Preambles stay.

        Also finishes what a killed purge left undone.
        """
        return self._purge(self._index.unlinked_states())

    def sweep(self) -> int:
        """Removes files that nothing refers to: temporaries of killed writers, states without a row.

        Returns how many. Not for a new index over old files: let the documents be read and their states be
        adopted first, or all of them go.
        """
        with _disk_errors(self._root):
            num_strays = chunk_file.remove_stray(self._root)
            orphans = list(self._orphans())
        return num_strays + sum(map(self.remove_unlisted, orphans))

    def remove_unlisted(self, path: Path, reason: str = "the index does not list it") -> bool:
        """Removes a file unless the index lists it, whatever its name; whether it is gone now. The reason is logged."""
        with _disk_errors(path), self._index.alone():
            with contextlib.suppress(ValueError):  # a name that no state can have
                if self._index.has_state(key_of(path)):
                    return False
            _logger.info("Removed %s: %s", path, reason)
            chunk_file.remove(path)
        return True

    def _purge_unless_used(self, key: StateKey) -> None:
        if self._index.is_unlinked(key):
            self._purge([key])

    def _purge(self, keys: Sequence[StateKey]) -> int:
        """Removes states that still nothing uses, files first, then rows; returns how many."""
        num_purged = 0
        for start in range(0, len(keys), _NUM_IN_ONE_STEP):
            with self._index.alone():
                unused = [key for key in keys[start : start + _NUM_IN_ONE_STEP] if self._index.is_unlinked(key)]
                for key in unused:
                    _logger.info("Removed %s: nothing uses it any more", self.path_of(key))
                    self._remove_file(key)
                self._index.forget_unlinked(unused)
            num_purged += len(unused)
        return num_purged

    def _read(self, key: StateKey) -> Lookup:
        path = self.path_of(key)
        try:
            with _disk_errors(path), contextlib.suppress(FileNotFoundError):
                return chunk_file.read(path, key)
        except ChunkFileTooNew as error:
            return Miss(key, str(error))
        except ChunkFileInvalid as error:
            self.drop_damaged(key)
            return Miss(key, str(error), damaged=True)
        if self._index.has_state(key):
            self.forget_missing([key])
        return Miss(key, f"there is no file {path}")

    def drop_damaged(self, key: StateKey) -> None:
        """Drops a state whose file is damaged; one that was replaced meanwhile stays."""
        with self._index.alone():
            try:
                chunk_file.read(self.path_of(key), key)
            except ChunkFileTooNew:
                return
            except ChunkFileInvalid as error:
                self.drop(key, str(error))
            except OSError:  # gone meanwhile; or who looks next is told
                return

    def forget_missing(self, keys: Iterable[StateKey]) -> None:
        """Forgets the rows of those states whose files are still not there."""
        with self._index.alone():
            self._index.forget_states([key for key in keys if not self.contains(key)])

    def _orphans(self) -> Iterator[Path]:
        recorded = {self.path_of(key) for key in self._index.state_keys()}
        newest = time.time() - SWEEP_AGE_SECONDS
        for path in self._root.glob("*/*/*.kv"):
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                if path not in recorded and path.stat().st_mtime < newest:
                    yield path

    def _record(self, state: ChunkState, role: StateRole, chunk_ids: Iterable[int]) -> None:
        self._index.record_state(state.key, role, state.num_tokens, num_file_bytes(state), chunk_ids)

    def _record_if_there(self, state: ChunkState, role: StateRole, chunk_ids: Iterable[int]) -> bool:
        """Not, if somebody removed the file since it was read."""
        with self._index.alone():
            is_there = self.contains(state.key)
            if is_there:
                self._record(state, role, chunk_ids)
        return is_there

    @contextlib.contextmanager
    def _written(self, state: ChunkState) -> Generator[Callable[[], None]]:
        """Writes the file beside its place; the block, which is one transaction, puts it there."""
        path = self.path_of(state.key)
        with _disk_errors(path):
            try:
                chunk_file.check_is_ours(path)
            except ChunkFileTooNew as error:
                _logger.warning("Replaced %s: %s", path, error)
            with chunk_file.beside(path, state) as place, self._index.alone():
                yield place

    def _remove_file(self, key: StateKey) -> None:
        path = self.path_of(key)
        with _disk_errors(path):
            chunk_file.remove(path)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Generator[None]:
    """What the disk refuses becomes StoreUnusable, here and nowhere else."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(
            f"The chunk state {path} cannot be read or written: {error.strerror or error}. "
            "Check the rights of its folder and the free space of its disk."
        ) from error
