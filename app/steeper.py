"""Steeps in the background what has no state yet, the most valuable first, on a thread of its own.

The thread "steep-steeper" asks the index for a few chunks at a time, so that a document that was just saved comes soon,
and waits for the compute thread to encode them. `Steeper.wake` tells it that there may be more to do. What it does
arrives through `tell`, called on its thread: hand it on, do not work there.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.prompt_chunks import context_chunks
from app.wiring import Engine
from engine.owner import Owner
from storage.errors import StorageError
from storage.index import Index
from storage.values import StoredChunk

if TYPE_CHECKING:
    from engine.requests import SteepDone, Steeped
    from engine.runtime import Job

_NUM_CHUNKS = 4
"""Chunks asked for at a time: some seconds on a CPU, which is how long a new document waits at most."""

_RETRY_SECONDS = 30.0
"""After a disk that was full, or an index that was locked."""

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

    def __init__(self, index_file: Path, engine: Engine, tell: Callable[[SteeperEvent], None]) -> None:
        self._index_file, self._engine, self._tell = index_file, engine, tell
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

    def _run(self) -> None:
        with Index(self._index_file) as index:
            while not self._ended.is_set():
                try:
                    waiting = self._waiting(index)
                    self._steep(waiting)
                except StorageError as error:
                    self._tell(SteepingTrouble(str(error)))
                    self._ended.wait(_RETRY_SECONDS)
                    continue
                if not waiting:
                    self._awake.wait()
                    self._awake.clear()

    def _waiting(self, index: Index) -> list[StoredChunk]:
        listed = index.chunks_without_state(self._engine.fingerprint, _NUM_CHUNKS + len(self._unfit))
        return [chunk for chunk in listed if chunk.id not in self._unfit]

    def _steep(self, waiting: list[StoredChunk]) -> None:
        from engine.errors import Cancelled, EngineError
        from engine.requests import Steeped, SteepRequest

        paths = {chunk.id: chunk.document_path for chunk in waiting}
        chunks = context_chunks(self._engine.ready.frame, waiting)
        fitting = tuple(chunk for chunk in chunks if len(chunk.token_ids) <= self._engine.longest_chunk)
        self._leave_out({chunk.chunk_id for chunk in chunks}.difference(chunk.chunk_id for chunk in fitting))
        with self._lock:
            if self._ended.is_set() or not fitting:
                return
            self._job = self._engine.runtime.steep(SteepRequest(fitting))
        try:
            with suppress(Cancelled):
                for event in self._job:
                    if isinstance(event, Steeped):
                        self._tell(ChunkSteeped(paths[event.chunk_id], event.num_tokens, event.num_bytes > 0))
        except EngineError as error:
            self._leave_out(set(paths))
            self._tell(SteepingTrouble(str(error)))
        finally:
            with self._lock:
                self._job = None

    def _leave_out(self, chunk_ids: set[int]) -> None:
        """Chunks that cannot be steeped, so that they do not keep the others waiting for ever."""
        if chunk_ids:
            self._unfit |= chunk_ids
            _logger.info("%d chunks cannot be steeped by this model", len(chunk_ids))
