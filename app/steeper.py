"""Steeps in the background what has no state yet, the most valuable first, on a thread of its own.

The thread "steep-steeper" asks the index for a few chunks at a time, so that a document that was just saved comes soon,
and waits for the compute thread to encode them. `Steeper.wake` tells it that there may be more to do. What it does
arrives through `tell`, called on its thread: hand it on, do not work there.

It steeps within the budget (`app.budget`): when that is full of what is worth as much, it says so once, and looks again
when something has changed, and now and then. A chunk's second state, for the first place of a prompt
(`engine.filler`), comes when every chunk has its state for any place, and there is time.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.budget import Room
from app.locations import Locations
from app.prompt_chunks import context_chunks
from app.settings import Settings
from app.wiring import Engine
from engine.owner import Owner
from storage.errors import StorageError, StoreUnusable
from storage.index import Index
from storage.store import StateStore
from storage.values import StoredChunk

if TYPE_CHECKING:
    from engine.requests import ContextChunk, SteepDone, Steeped, SteepRequest
    from engine.runtime import Job

_NUM_CHUNKS = 4
"""Chunks asked for at a time: some seconds on a CPU, which is how long a new document waits at most."""

_RETRY_SECONDS = 30.0
"""After a disk that was full, an index that was locked, or a budget without room, which the free disk may decide."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChunkSteeped:
    """A chunk has its state on disk."""

    path: Path
    """Of its document."""
    num_tokens: int
    was_encoded: bool
    """False: the same text had a state already."""


@dataclass(frozen=True, slots=True)
class SteepingTrouble:
    """Something stands in the way of steeping; it is tried again later."""

    reason: str


SteeperEvent = ChunkSteeped | SteepingTrouble


class Steeper(Owner):
    """See the module. `wake` and `close` from any thread; does nothing where the model cannot be blended."""

    def __init__(
        self,
        locations: Locations,
        settings: Settings,
        engine: Engine,
        tell: Callable[[SteeperEvent], None],
        may_dawdle: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_dawdle`: whether there is time for states without which answers are as good, and a little later."""
        self._locations, self._settings, self._engine, self._tell = locations, settings, engine, tell
        self._may_dawdle = may_dawdle
        self.is_full = False
        """Whether there is no room for what is next."""
        self._unfit: set[int] = set()
        self._awake, self._ended = threading.Event(), threading.Event()
        self._lock = threading.Lock()  # guards _job
        self._job: Job[Steeped | SteepDone] | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="steep-steeper", daemon=True)
        if engine.ready.blendability.possible:
            self._thread.start()

    def wake(self) -> None:
        """There may be chunks without state."""
        self._awake.set()

    def check(self) -> None:
        """Raise what the thread died of, if it did: a mistake of ours, or an index that cannot be opened."""
        if self._failure:
            raise self._failure

    def close(self) -> None:
        """Stop within one node of the graph; finished chunks stay. Harmless to call again."""
        self._ended.set()
        self._awake.set()
        with self._lock:
            if self._job:
                self._job.cancel()
        if self._thread.ident is not None:
            self._thread.join()

    # --- the thread

    def _main(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - raised by `check`
            self._failure = error

    def _opened_index(self) -> Index | None:
        """Tried again and again, since a full disk is in the way of opening it; None: the steeper is closed."""
        while not self._ended.is_set():
            try:
                return Index(self._locations.index_file)
            except StoreUnusable as error:
                self._tell(SteepingTrouble(str(error)))
                self._ended.wait(_RETRY_SECONDS)
        return None

    def _run(self) -> None:
        from engine.requests import SteepRequest

        opened = self._opened_index()
        if opened is None:
            return
        with opened as index:
            states_dir = self._locations.states_dir
            store = StateStore(states_dir, index)
            room = Room(index, store, self._settings, states_dir, self._engine.all_fingerprints)
            was_told = False
            while not self._ended.is_set():
                try:
                    room.settle()  # the budget may be a smaller one than yesterday
                    first_position, waiting = self._waiting(index)
                    fitting = self._fitting(waiting)
                    admitted = self._admitted(room, fitting, first_position)
                    self.is_full = bool(fitting and not admitted)
                    # Without a state for the first place a question takes a little longer: nothing to be told of.
                    is_told = self.is_full and self._engine.fingerprints[first_position] == self._engine.fingerprint
                    if is_told and not was_told:
                        num_waiting = index.backlog(self._engine.fingerprint).num_chunks
                        self._tell(SteepingTrouble(room.full_notice(num_waiting)))
                    was_told = is_told
                    paths = {chunk.id: chunk.document_path for chunk in waiting}
                    self._steep(SteepRequest(admitted, first_position), paths, room)
                except StorageError as error:
                    self._tell(SteepingTrouble(str(error)))
                    self._ended.wait(_RETRY_SECONDS)
                    continue
                if not waiting or self.is_full:
                    self._awake.wait(_RETRY_SECONDS if self.is_full or not self._may_dawdle() else None)
                    self._awake.clear()

    def _waiting(self, index: Index) -> tuple[int, list[StoredChunk]]:
        """What is to be steeped next, and where the states are to begin."""
        for first_position, fingerprint in self._engine.fingerprints.items():
            if fingerprint == self._engine.fingerprint or self._may_dawdle():
                listed = index.chunks_without_state(fingerprint, _NUM_CHUNKS + len(self._unfit))
                if waiting := [chunk for chunk in listed if chunk.id not in self._unfit]:
                    return first_position, waiting
        return next(iter(self._engine.fingerprints)), []

    def _fitting(self, waiting: list[StoredChunk]) -> "tuple[ContextChunk, ...]":
        """Those that are not too long for the model."""
        chunks = context_chunks(self._engine.ready.frame, waiting)
        fitting = tuple(chunk for chunk in chunks if len(chunk.token_ids) <= self._engine.longest_chunk)
        self._leave_out({chunk.chunk_id for chunk in chunks}.difference(chunk.chunk_id for chunk in fitting))
        return fitting

    def _admitted(
        self, room: Room, chunks: "tuple[ContextChunk, ...]", first_position: int
    ) -> "tuple[ContextChunk, ...]":
        if not chunks:
            return ()
        return room.admit(chunks, self._engine.fingerprints[first_position], first_position)

    def _steep(self, request: "SteepRequest", paths: Mapping[int, Path], room: Room) -> None:
        from engine.errors import Cancelled, EngineError
        from engine.requests import Steeped

        with self._lock:
            if self._ended.is_set() or not request.chunks:
                return
            self._job = self._engine.runtime.steep(request)
        try:
            with suppress(Cancelled):
                for event in self._job:
                    if isinstance(event, Steeped):
                        self._tell(ChunkSteeped(paths[event.chunk_id], event.num_tokens, event.num_bytes > 0))
                        room.settle()
        except EngineError as error:
            self._leave_out({chunk.chunk_id for chunk in request.chunks})
            self._tell(SteepingTrouble(str(error)))
        finally:
            with self._lock:
                self._job = None

    def _leave_out(self, chunk_ids: set[int]) -> None:
        """Chunks that cannot be steeped, so that they do not keep the others waiting for ever."""
        if chunk_ids:
            self._unfit |= chunk_ids
            _logger.info("%d chunks cannot be steeped by this model", len(chunk_ids))
