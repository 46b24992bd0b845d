"""Folder events on Linux: inotify through watchdog's bindings, without its recursive watch.

watchdog's own recursion loses events in ways that cannot be mended from outside (6.0.0): it drops the kernel's word
that its queue ran over, sets no watches in a folder that was moved in, keeps those of one that was moved out, holds
everything back for half a second when a file is moved out, watches node_modules and .git to the last folder, and keeps
all watches it had until the process ends when it runs into the system's limit. What is left is small:

- one inotify instance per watched folder: closing it ends all its watches, and its queue runs over alone;
- a watch for every folder below it that the rules admit, set before the folder is listed, so that nothing falls
  between; symbolic links are not followed;
- the thread "steep-folders" reads all instances and owns their bookkeeping once `watch` has returned.
"""

import contextlib
import errno
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchdog.observers.inotify_c import (
    Inotify,
    InotifyConstants,
    inotify_add_watch,
    inotify_init,
    inotify_rm_watch,
)

from app.folders.events import Inbox
from app.folders.rules import IGNORE_FILE_NAME, TAG_NAMES, FolderRules

_EVENTS: Final = (
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB  # what could not be read may be readable now
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_EXCL_UNLINK
)
_EVENTS_OF_ROOT: Final = _EVENTS | InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF
_EVENTS_BELOW: Final = _EVENTS | InotifyConstants.IN_DONT_FOLLOW
_ROOT_IS_GONE: Final = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT

_HEADER: Final = struct.Struct("iIII")  # watch, mask, cookie, bytes of the name
_BUFFER_NUM_BYTES: Final = 256 * 1024

# The kernel merges an event with the one before it if that is the same and was not read yet: a program that writes as
# fast as it can costs 100 events per second, not a million.
_PAUSE_SECONDS: Final = 0.01

# Reading stops between two folders; one that hangs in a dead drive must not hold up the end of the program.
_JOIN_SECONDS: Final = 5.0


class InotifyEvents:
    """`FolderEvents` of Linux."""

    def __init__(self, inbox: Inbox, is_wanted: Callable[[Path], bool]) -> None:
        self._inbox = inbox
        self._is_wanted = is_wanted
        self._lock = threading.Lock()
        self._trees: dict[Path, _Tree] = {}
        self._ended: list[_Tree] = []
        self._is_closing = False
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="steep-folders", daemon=True)
        self._thread.start()

    def watch(self, folder: Path, rules: FolderRules) -> None:
        tree = _Tree(folder, rules, self._is_wanted, self._inbox)
        with self._lock:
            self._end(self._trees.get(folder))
            if self._is_closing:
                tree.close()
            else:
                self._trees[folder] = tree
                self._wake()

    def unwatch(self, folder: Path) -> None:
        with self._lock:
            self._end(self._trees.get(folder))

    def close(self) -> None:
        with self._lock:
            if not self._is_closing:
                self._is_closing = True
                self._wake()
        self._thread.join(_JOIN_SECONDS)

    def _end(self, tree: "_Tree | None") -> None:
        """Leaves closing it to the thread, which may be reading it. The lock is held."""
        if tree is not None and self._trees.get(tree.root) is tree:
            del self._trees[tree.root]
            self._ended.append(tree)
            self._wake()

    def _wake(self) -> None:
        """The lock is held, and the thread runs."""
        with contextlib.suppress(BlockingIOError):  # then it has not yet heard the last 65,536 calls
            os.write(self._wake_in, b"!")

    def _run(self) -> None:
        try:
            while (trees := self._current_trees()) is not None:
                for tree in self._with_events(trees):
                    if self._is_current(tree) and not tree.read():
                        with self._lock:
                            self._end(tree)
                time.sleep(_PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - raised in the consumer's thread
            self._inbox.fail(error)
        finally:
            self._free()

    def _current_trees(self) -> dict[int, "_Tree"] | None:
        """By their descriptors; None: it is time to end. Closes those that ended, which only this thread reads."""
        with self._lock:
            for tree in self._ended:
                tree.close()
            self._ended.clear()
            return None if self._is_closing else {tree.descriptor: tree for tree in self._trees.values()}

    def _is_current(self, tree: "_Tree") -> bool:
        with self._lock:
            return self._trees.get(tree.root) is tree

    def _with_events(self, trees: dict[int, "_Tree"]) -> list["_Tree"]:
        poll = select.poll()
        for descriptor in (self._wake_out, *trees):
            poll.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll()]
        if self._wake_out in ready:
            os.read(self._wake_out, _BUFFER_NUM_BYTES)
        return [trees[descriptor] for descriptor in ready if descriptor in trees]

    def _free(self) -> None:
        with self._lock:
            self._is_closing = True
            for tree in (*self._trees.values(), *self._ended):
                tree.close()
            self._trees.clear()
            self._ended.clear()
            os.close(self._wake_out)
            os.close(self._wake_in)


@dataclass(frozen=True, slots=True)
class _Event:
    watch: int
    mask: int
    name: str
    """Of the entry that it happened to; empty: to the watched folder itself."""

    def is_any(self, mask: int) -> bool:
        return bool(self.mask & mask)


class _Tree:
    """One watched folder: its inotify instance, and which folder each watch of it means."""

    def __init__(self, root: Path, rules: FolderRules, is_wanted: Callable[[Path], bool], inbox: Inbox) -> None:
        self.root = root
        self._rules = rules
        self._is_wanted = is_wanted
        self._inbox = inbox
        # Relative to the root, with slashes; "" is the root.
        self._place_of: dict[int, str] = {}
        self._watch_of: dict[str, int] = {}
        self.descriptor = _open_instance()
        try:
            self._set_watch("")
            self._watch_below("", self._ignore_file)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self.descriptor)

    def read(self) -> bool:
        """Reports everything that has happened; False when there is nothing more to watch. Does not wait."""
        try:
            events = list(_parse(os.read(self.descriptor, _BUFFER_NUM_BYTES)))
            return all(self._take(event) for event in events)
        except BlockingIOError:
            return True
        except OSError as error:
            self._inbox.lose(self.root, error)
            return False

    def _take(self, event: _Event) -> bool:
        if event.is_any(InotifyConstants.IN_Q_OVERFLOW):
            self._inbox.renew(self.root)
            return True
        folder = self._place_of.get(event.watch)
        if folder is None:
            # Of a folder that was moved away; where it is now, it has a new watch.
            return True
        if event.is_any(InotifyConstants.IN_IGNORED):
            self._forget(event.watch)
        elif not event.name:
            return self._take_own(folder, event)
        elif event.is_any(InotifyConstants.IN_ISDIR):
            self._take_folder(_join(folder, event.name), event)
        else:
            self._take_file(_join(folder, event.name))
            if event.name in TAG_NAMES and folder:
                self._judge_again(folder)
        return True

    def _take_own(self, folder: str, event: _Event) -> bool:
        if not folder and event.is_any(_ROOT_IS_GONE):
            self._inbox.lose(self.root)
            return False
        if event.is_any(InotifyConstants.IN_UNMOUNT):
            self._inbox.sweep(self._path(folder))
        return True

    def _take_folder(self, place: str, event: _Event) -> None:
        if not self._rules.admits_entry(place, is_folder=True):
            return
        if event.is_any(InotifyConstants.IN_CREATE):
            if self._set_watch(place):
                self._watch_below(place, self._take_file)
        elif event.is_any(InotifyConstants.IN_MOVED_TO):
            self._watch_whole(place)
        elif event.is_any(InotifyConstants.IN_MOVED_FROM):
            self._drop(place)
            self._inbox.sweep(self._path(place))
        elif event.is_any(InotifyConstants.IN_DELETE):
            self._inbox.sweep(self._path(place))
        elif place not in self._watch_of:
            # Its rights changed: it may be open now.
            self._watch_whole(place)

    def _take_file(self, place: str) -> None:
        path = self._path(place)
        if place == IGNORE_FILE_NAME:
            self._inbox.renew(self.root)
        elif not self._inbox.repeat(path) and self._is_document(place, path):
            self._inbox.change(self.root, path)

    def _judge_again(self, folder: str) -> None:
        """A file appeared in it that may say that the folder is a cache."""
        if not self._rules.admits_entry(folder, is_folder=True):
            self._drop(folder)
            self._inbox.sweep(self._path(folder))

    def _is_document(self, place: str, path: str) -> bool:
        return self._rules.admits_entry(place, is_folder=False) and self._is_wanted(Path(path))

    def _watch_whole(self, place: str) -> None:
        """Watches a folder that was filled elsewhere."""
        if self._set_watch(place):
            self._watch_below(place, self._ignore_file)
            self._inbox.sweep(self._path(place))

    def _watch_below(self, place: str, take_file: Callable[[str], None]) -> None:
        """Watches all folders inside a watched one, and hands on the files that are there by then."""
        pending = [place]
        while pending:
            folder = pending.pop()
            for entry in self._entries(folder):
                inside = _join(folder, entry.name)
                if not entry.is_dir(follow_symlinks=False):
                    take_file(inside)
                elif self._rules.admits_entry(inside, is_folder=True) and self._set_watch(inside):
                    pending.append(inside)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._path(folder)) as listing:
                return list(listing)
        except OSError:
            # Gone meanwhile, or closed to us: looking through it says so.
            return []

    def _ignore_file(self, place: str) -> None:
        """Whoever looks through the folder finds it."""

    def _set_watch(self, place: str) -> bool:
        """False for what is no folder any more, or closed to us. Raises OSError for all else, and for the root."""
        try:
            watch = _add_watch(self.descriptor, self._path(place), _EVENTS_BELOW if place else _EVENTS_OF_ROOT)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            if not place:
                raise
            return False
        self._place_of[watch] = place
        self._watch_of[place] = watch
        return True

    def _drop(self, place: str) -> None:
        inside = f"{place}/"
        for each in [each for each in self._watch_of if each == place or each.startswith(inside)]:
            watch = self._watch_of.pop(each)
            self._place_of.pop(watch, None)
            inotify_rm_watch(self.descriptor, watch)

    def _forget(self, watch: int) -> None:
        place = self._place_of.pop(watch)
        if self._watch_of.get(place) == watch:
            del self._watch_of[place]

    def _path(self, place: str) -> str:
        return os.path.join(self.root, place) if place else str(self.root)  # noqa: PTH118 - for every event


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _open_instance() -> int:
    descriptor = inotify_init()
    if descriptor == -1:
        _raise_last_error(None)
    os.set_blocking(descriptor, False)
    os.set_inheritable(descriptor, False)
    return descriptor


def _add_watch(descriptor: int, path: str, events: int) -> int:
    watch = inotify_add_watch(descriptor, os.fsencode(path), events)
    if watch == -1:
        _raise_last_error(path)
    return watch


def _raise_last_error(path: str | None) -> None:
    """The error number lies in ctypes, which only watchdog's bindings touch; they keep silent about one of them."""
    try:
        Inotify._raise_error()
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _parse(data: bytes) -> Iterator[_Event]:
    at = 0
    while at < len(data):
        watch, mask, _, num_name_bytes = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        name = data[at : at + num_name_bytes].rstrip(b"\0")
        yield _Event(watch, mask, os.fsdecode(name))
        at += num_name_bytes
