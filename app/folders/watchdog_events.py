"""Folder events on macOS, Windows and elsewhere: watchdog's observer of the system, for a whole tree at a time.

These systems watch trees themselves, so nothing has to be added for folders that come later. What they say is vaguer
than inotify: folders that come or go are looked through, and so is what vanished without having been a document,
which Windows does not tell from a folder. Nor do they say when something was lost: the watcher looks through
everything now and then.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from app.folders.events import Inbox
from app.folders.rules import IGNORE_FILE_NAME, TAG_NAMES, FolderRules

# Also told, also by reading a file ourselves.
_NO_CHANGE = frozenset({"opened", "closed_no_write"})

# The observer ends between two events; one that hangs in a dead drive must not hold up the end of the program.
_JOIN_SECONDS = 5.0


class WatchdogEvents:
    """`FolderEvents` of all systems but Linux."""

    def __init__(self, inbox: Inbox, is_wanted: Callable[[Path], bool]) -> None:
        self._inbox = inbox
        self._is_wanted = is_wanted
        self._lock = threading.Lock()
        self._watches: dict[Path, ObservedWatch] = {}
        self._observer = Observer()
        self._observer.start()

    def watch(self, folder: Path, rules: FolderRules) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(folder)
        handler = _Handler(folder, rules, self._is_wanted, self._inbox)
        with self._lock:
            self._end(folder)
            self._watches[folder] = self._observer.schedule(handler, str(folder), recursive=True)

    def unwatch(self, folder: Path) -> None:
        with self._lock:
            self._end(folder)

    def close(self) -> None:
        self._observer.stop()
        self._observer.join(_JOIN_SECONDS)

    def _end(self, folder: Path) -> None:
        watch = self._watches.pop(folder, None)
        if watch is not None:
            self._observer.unschedule(watch)


class _Handler(FileSystemEventHandler):
    """Runs in the observer's thread, which waits for it: puts signs into the inbox and returns."""

    def __init__(self, root: Path, rules: FolderRules, is_wanted: Callable[[Path], bool], inbox: Inbox) -> None:
        self._root = root
        self._rules = rules
        self._is_wanted = is_wanted
        self._inbox = inbox

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _NO_CHANGE:
            return
        try:
            for text in (event.dest_path, event.src_path):
                if text:
                    self._take(Path(str(text)), event)
        except Exception as error:  # noqa: BLE001 - raised in the consumer's thread
            self._inbox.fail(error)

    def _take(self, path: Path, event: FileSystemEvent) -> None:
        is_gone = event.event_type == "deleted"
        if not path.is_relative_to(self._root):
            # Spelt in another way: macOS has two for every accent.
            self._inbox.sweep(str(self._root))
        elif path == self._root:
            if is_gone:
                self._inbox.lose(self._root)
        elif path == self._root / IGNORE_FILE_NAME:
            self._inbox.renew(self._root)
        elif path.name in TAG_NAMES:
            self._inbox.sweep(str(path.parent))
        elif event.is_directory:
            if event.event_type != "modified" and self._rules.admits(path, is_folder=True):
                self._inbox.sweep(str(path))
        elif not self._rules.admits(path, is_folder=False):
            return
        elif self._is_wanted(path):
            self._inbox.change(self._root, str(path))
        elif is_gone and self._rules.admits(path, is_folder=True):
            self._inbox.sweep(str(path))
