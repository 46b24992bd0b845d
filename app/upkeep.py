"""Keeps index, vectors and chunk states true while it runs: watcher → indexer → vectors → steeper, in one loop.

`keep_up` belongs to the thread that opened its parts, and returns when asked to stop. What changed is read at once,
vectors are made when nothing is to be read, and deleted text is cleared when nothing is to be done at all; steeping
goes on beside it, on the `Steeper`'s thread, and so does measuring a model that was not measured yet
(`app.gate.background`). Folders that are added or removed meanwhile, by any process, are followed
within two seconds. While a question is answered all of it rests, but for half a minute at most: whoever asks one
question after the other still wants them answered from today's documents. What happens arrives through `tell`, called
from this thread and from theirs: hand it on, do not work there.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.folders.watcher import Changes, Watcher
from app.gate.background import BackgroundGate
from app.gate.events import GateTold
from app.indexer import FileSeen, Indexer, IndexEvent
from app.precedence import QuestionsFirst, somebody_asks
from app.reader import DocumentReader
from app.search.dense import DenseIndex, Embedded, open_dense, purge_vectors
from app.steeper import Steeper, SteeperEvent
from app.wiring import Engine, Parts
from storage.values import Backlog, DocumentStage, Folder

_TAKE_SECONDS = 0.5
"""How long to wait for changes before looking after the rest."""

_FOLDERS_SECONDS = 2.0
_LONGEST_REST_SECONDS = 30.0
_REST_SECONDS = 0.05

_STANDING_SECONDS = 2.0
_COMPACT_SECONDS = 600.0
"""Clearing deleted text rewrites the search index, 2 s per 100 MB: not after every change."""


@dataclass(frozen=True, slots=True)
class FolderPolled:
    """A folder that tells nothing of its changes is looked through now and then; `reason` completes "<path> ..."."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class SweepDone:
    """Whole folders were looked through, and what had changed in them is searchable."""

    num_files: int
    num_read: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Resting:
    """Steeping stopped for the time being, or goes on (None)."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where everything stands; told every two seconds while something changes."""

    stages: Mapping[DocumentStage, int]
    backlog: Backlog


UpkeepEvent = IndexEvent | SteeperEvent | GateTold | Embedded | FolderPolled | SweepDone | Resting | Standing

Tell = Callable[[UpkeepEvent], None]


def keep_up(parts: Parts, engine: Engine, tell: Tell, stop: threading.Event) -> None:
    """Run until `stop` is set. Raises what opening the parts raises, nothing for what is wrong with documents."""
    with ExitStack() as stack:
        watcher = stack.enter_context(Watcher())
        dense = stack.enter_context(open_dense(parts))
        rest = stack.enter_context(QuestionsFirst(parts.locations, parts.settings, engine.runtime))
        reader = stack.enter_context(DocumentReader())
        count_tokens, chunk_tokens = engine.ready.frame.vocabulary.count, parts.settings.chunk_tokens
        follow_links = parts.settings.follow_links
        indexer = Indexer(parts.index, parts.store, reader, count_tokens, chunk_tokens, follow_links=follow_links)
        loop = _Loop(parts, engine, indexer, watcher, dense, rest, tell, stop)
        gate = stack.enter_context(BackgroundGate(parts.locations, parts.settings, engine, tell))
        steeper = Steeper(
            parts.locations, parts.settings, engine, loop.tell_of_steeping, may_dawdle=lambda: not gate.is_running
        )
        loop.steeper = stack.enter_context(steeper)
        while not stop.is_set():
            loop.turn()
        loop.clear_deleted_text()


class _Loop:
    """What `keep_up` does again and again."""

    def __init__(
        self,
        parts: Parts,
        engine: Engine,
        indexer: Indexer,
        watcher: Watcher,
        dense: DenseIndex | None,
        rest: QuestionsFirst,
        tell: Tell,
        stop: threading.Event,
    ) -> None:
        self.steeper: Steeper | None = None
        self._parts, self._fingerprints, self._indexer, self._watcher = parts, engine.all_fingerprints, indexer, watcher
        self._dense, self._rest, self._tell, self._stop = dense, rest, tell, stop
        self._folders: list[Folder] = []
        self._looked_at_folders = float("-inf")
        self._compacted_at = time.monotonic()
        self._polled: set[Path] = set()
        self._reason: str | None = None
        self._may_need_vectors = True
        self._moved = threading.Event()
        """Set when something happened since `Standing` was told."""
        self._told_standing_at = float("-inf")
        self._awaited = self._fingerprints
        """Whose states the backlog counted."""
        self._seen_version = 0

    def tell_of_steeping(self, event: SteeperEvent) -> None:
        """From the steeper's thread."""
        self._moved.set()
        self._tell(event)

    def turn(self) -> None:
        """One round: at most half a second when nothing happens."""
        if self.steeper:
            self.steeper.check()
        self._follow_folders()
        changes = self._watcher.take(0.0 if self._may_need_vectors else _TAKE_SECONDS)
        self._wait_for_questions()
        self._tell_reason()
        self._tell_standing()
        if changes:
            self._take(changes)
        elif not self._embed_some() and time.monotonic() - self._compacted_at > _COMPACT_SECONDS:
            self.clear_deleted_text()

    def clear_deleted_text(self) -> None:
        self._indexer.compact()
        self._compacted_at = time.monotonic()

    # --- folders

    def _follow_folders(self) -> None:
        if time.monotonic() - self._looked_at_folders < _FOLDERS_SECONDS:
            return
        self._looked_at_folders = time.monotonic()
        self._note_what_others_changed()
        folders = self._parts.index.folders()
        new = [folder for folder in folders if folder not in self._folders]
        if folders != self._folders:
            self._folders = folders
            self._watcher.follow(folder.path for folder in folders)  # first: what changes during the sweep is heard
        for path, reason in self._watcher.polled.items():
            if path not in self._polled:
                self._tell(FolderPolled(path, reason))
        self._polled = set(self._watcher.polled)
        if new:
            # Being found soon is worth more than answering soon, and both at once are slow.
            with self._rest.resting("documents are being read"):
                self._sweep([(folder, folder.path) for folder in new])

    def _note_what_others_changed(self) -> None:
        """There may be more to steep than before, or in another order: states were dropped, documents pinned."""
        version = self._parts.index.data_version()
        if version != self._seen_version:
            self._seen_version = version
            self._moved.set()
            if self.steeper:
                self.steeper.wake()

    def _take(self, changes: Changes) -> None:
        self._update(self._inside(changes.paths))
        if changes.sweeps:
            with self._rest.resting("documents are being read"):
                self._sweep(self._inside(changes.sweeps))

    def _inside(self, paths: Iterable[Path]) -> list[tuple[Folder, Path]]:
        return [(folder, path) for path in paths for folder in self._folders if path.is_relative_to(folder.path)]

    # --- documents

    def _sweep(self, places: list[tuple[Folder, Path]]) -> None:
        started = time.monotonic()
        num_files, num_read = self._update(places)
        self._tell(SweepDone(num_files, num_read, time.monotonic() - started))

    def _update(self, places: Iterable[tuple[Folder, Path]]) -> tuple[int, int]:
        """Files seen, and files read of them."""
        num_files = num_read = 0
        for event in self._indexer.update(places):
            self._tell(event)
            if isinstance(event, FileSeen):
                num_files += 1
                num_read += event.was_read
                if event.was_read:
                    self._moved.set()
                    self._wait_for_questions()
                    self._tell_standing()
            if self._stop.is_set():
                break
        self._moved.set()
        self._may_need_vectors |= num_read > 0
        purge_vectors(self._parts)
        if self.steeper:
            self.steeper.wake()
        return num_files, num_read

    def _embed_some(self) -> bool:
        """Make vectors until something else is to be done; False when there was nothing to make."""
        if not self._may_need_vectors or self._dense is None:
            self._may_need_vectors = False
            return False
        until = time.monotonic() + _TAKE_SECONDS
        # Beside steeping, two threads for each, it would take three to four times as long.
        with self._rest.resting("vectors are being made"):
            for event in self._dense.embed_missing():
                self._tell(event)
                self._moved.set()
                self._wait_for_questions()
                if self._stop.is_set() or time.monotonic() > until:
                    return True
        self._may_need_vectors = False
        return False

    # --- rest

    def _wait_for_questions(self) -> None:
        until = time.monotonic() + _LONGEST_REST_SECONDS
        while somebody_asks(self._parts.locations) and time.monotonic() < until:
            self._tell_reason()
            if self._stop.wait(_REST_SECONDS):
                return

    # --- what others see

    def _tell_standing(self) -> None:
        # States for the first place that have no room are not waited for.
        awaited = self._fingerprints[:1] if self.steeper and self.steeper.is_full else self._fingerprints
        has_moved = self._moved.is_set() or awaited != self._awaited
        if has_moved and time.monotonic() - self._told_standing_at > _STANDING_SECONDS:
            self._moved.clear()
            self._told_standing_at, self._awaited, index = time.monotonic(), awaited, self._parts.index
            self._tell(Standing(index.stage_counts(awaited[0]), index.backlog(*awaited)))

    def _tell_reason(self) -> None:
        if self._rest.reason != self._reason:
            self._reason = self._rest.reason
            self._tell(Resting(self._reason))
