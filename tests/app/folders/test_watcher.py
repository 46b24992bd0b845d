"""On the real file system, with the events of this system and with watchdog's."""

import contextlib
import errno
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.folders.events import FolderEvents, Inbox
from app.folders.scan import scan
from app.folders.watchdog_events import WatchdogEvents
from app.folders.watcher import Changes, Watcher, system_events

# Far above what is needed: nobody waits so long unless a test fails.
PATIENCE_SECONDS = 10.0

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what only the events of Linux promise")


def is_local(folder: Path) -> None:
    return None


def open_watcher(open_events: Callable[..., FolderEvents] = system_events, **settings: object) -> Watcher:
    settings = {"settle_seconds": 0.02, "poll_seconds": 0.05, "network_type": is_local, **settings}
    return Watcher(open_events=open_events, **settings)  # type: ignore[arg-type]


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    with open_watcher() as opened:
        yield opened


@pytest.fixture(params=[system_events, WatchdogEvents])
def any_watcher(request: pytest.FixtureRequest) -> Iterator[Watcher]:
    with open_watcher(request.param) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one note."""
    folder = tmp_path.resolve() / "documents"
    folder.mkdir()
    (folder / "note.txt").write_text("first\n")
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "outside"
    folder.mkdir()
    return folder


@dataclass
class Seen:
    """What was handed out, in its order."""

    paths: list[Path] = field(default_factory=list)
    sweeps: list[Path] = field(default_factory=list)

    def add(self, changes: Changes) -> None:
        self.paths += changes.paths
        self.sweeps += changes.sweeps


def take_until(watcher: Watcher, is_enough: Callable[[Seen], object]) -> Seen:
    seen = Seen()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_enough(seen):
        assert time.monotonic() < deadline, seen
        seen.add(watcher.take(0.2))
    return seen


def take_all_until(watcher: Watcher, last: Path) -> Seen:
    """Everything up to a change and a deletion that are made now: what is not seen by then does not come."""
    last.write_text("the last change")
    changed = take_until(watcher, lambda seen: last in seen.paths)
    last.unlink()
    deleted = take_until(watcher, lambda seen: last in seen.paths and not last.exists())
    paths = [path for path in changed.paths + deleted.paths if path != last]
    return Seen(paths, changed.sweeps + deleted.sweeps)


def num_descriptors() -> int:
    """Of this process; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


# How programs save a file that exists.


def write_in_place(note: Path) -> None:
    note.write_text("second\n")


def empty_and_write_later(note: Path) -> None:
    with note.open("w") as file:
        file.flush()
        time.sleep(0.06)
        file.write("second\n")


def append(note: Path) -> None:
    with note.open("a") as file:
        file.write("second\n")


def save_like_vim(note: Path) -> None:
    (note.parent / "4913").touch()
    (note.parent / "4913").unlink()
    swap = note.with_name(".note.txt.swp")
    swap.write_text("swap")
    note.rename(note.with_name("note.txt~"))
    note.write_text("second\n")
    note.with_name("note.txt~").unlink()
    swap.unlink()


def save_like_emacs(note: Path) -> None:
    lock = note.with_name(".#note.txt")
    lock.symlink_to("me@here.1234")
    note.with_name("#note.txt#").write_text("second, not yet saved\n")
    note.write_text("second\n")
    note.with_name("#note.txt#").unlink()
    lock.unlink()


def save_like_an_office(note: Path) -> None:
    lock = note.with_name(f".~lock.{note.name}#")
    lock.write_text("me")
    unfinished = note.with_name("lu1234abcd.tmp")
    unfinished.write_text("second\n")
    unfinished.replace(note)
    lock.unlink()


def save_by_a_hidden_file(note: Path) -> None:
    unfinished = note.with_name(".note.txt.Xa12")
    unfinished.write_text("second\n")
    unfinished.replace(note)


def delete_and_write_anew(note: Path) -> None:
    note.unlink()
    note.write_text("second\n")


def edit_with_sed(note: Path) -> None:
    subprocess.run(["sed", "-i", "s/first/second/", str(note)], check=True)


def copy_over(note: Path) -> None:
    source = note.parent.parent / "source"
    source.write_text("second\n")
    subprocess.run(["cp", str(source), str(note)], check=True)


def move_over(note: Path) -> None:
    source = note.parent.parent / "source"
    source.write_text("second\n")
    subprocess.run(["mv", str(source), str(note)], check=True)


SAVES = [
    write_in_place,
    empty_and_write_later,
    append,
    save_like_vim,
    save_like_emacs,
    save_like_an_office,
    save_by_a_hidden_file,
    delete_and_write_anew,
    edit_with_sed,
    copy_over,
    move_over,
]


@pytest.mark.parametrize("save", SAVES)
def test_however_a_file_is_saved_it_and_nothing_else_has_changed(
    any_watcher: Watcher, folder: Path, save: Callable[[Path], None]
):
    any_watcher.follow([folder])
    save(folder / "note.txt")
    take_until(any_watcher, lambda seen: folder / "note.txt" in seen.paths)
    seen = take_all_until(any_watcher, folder / "last.txt")
    assert {*seen.paths, *seen.sweeps} <= {folder / "note.txt"}


def test_a_deleted_file_has_changed(any_watcher: Watcher, folder: Path):
    any_watcher.follow([folder])
    (folder / "note.txt").unlink()
    assert take_until(any_watcher, lambda seen: seen.paths) == Seen([folder / "note.txt"], [])


def test_a_renamed_file_is_new_and_then_gone(any_watcher: Watcher, folder: Path):
    any_watcher.follow([folder])
    (folder / "note.txt").rename(folder / "z.txt")
    seen = take_until(any_watcher, lambda seen: len(seen.paths) == 2)
    assert seen == Seen([folder / "z.txt", folder / "note.txt"], [])


def test_a_file_moved_between_two_folders_is_new_and_then_gone(watcher: Watcher, folder: Path, outside: Path):
    watcher.follow([folder, outside])
    (folder / "note.txt").rename(outside / "note.txt")
    seen = take_until(watcher, lambda seen: len(seen.paths) == 2)
    assert seen.paths == [outside / "note.txt", folder / "note.txt"]


def test_a_folder_that_came_is_looked_through_and_watched(any_watcher: Watcher, folder: Path):
    any_watcher.follow([folder])
    deep = folder / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "first.txt").write_text("text")

    def is_seen(path: Path) -> Callable[[Seen], bool]:
        return lambda seen: path in seen.paths or any(path.is_relative_to(swept) for swept in seen.sweeps)

    take_until(any_watcher, is_seen(deep / "first.txt"))
    (deep / "second.txt").write_text("text")
    take_until(any_watcher, is_seen(deep / "second.txt"))


def test_a_folder_that_was_moved_in_is_looked_through(any_watcher: Watcher, folder: Path, outside: Path):
    (outside / "new" / "deep").mkdir(parents=True)
    (outside / "new" / "deep" / "a.txt").write_text("text")
    any_watcher.follow([folder])
    (outside / "new").rename(folder / "new")
    assert take_until(any_watcher, lambda seen: seen.sweeps).sweeps == [folder / "new"]


@on_linux
def test_a_folder_that_was_moved_in_is_watched(watcher: Watcher, folder: Path, outside: Path):
    (outside / "new" / "deep").mkdir(parents=True)
    watcher.follow([folder])
    (outside / "new").rename(folder / "new")
    take_until(watcher, lambda seen: seen.sweeps)
    (folder / "new" / "deep" / "a.txt").write_text("text")
    assert take_until(watcher, lambda seen: seen.paths).paths == [folder / "new" / "deep" / "a.txt"]


@on_linux
def test_a_folder_that_was_moved_out_is_gone_and_watched_no_more(watcher: Watcher, folder: Path, outside: Path):
    (folder / "old" / "deep").mkdir(parents=True)
    watcher.follow([folder])
    (folder / "old").rename(outside / "old")
    assert take_until(watcher, lambda seen: seen.sweeps) == Seen([], [folder / "old"])
    (outside / "old" / "deep" / "a.txt").write_text("text")
    assert take_all_until(watcher, folder / "last.txt") == Seen()


def test_a_renamed_folder_is_new_and_then_gone(any_watcher: Watcher, folder: Path):
    (folder / "old" / "deep").mkdir(parents=True)
    (folder / "old" / "deep" / "a.txt").write_text("text")
    any_watcher.follow([folder])
    (folder / "old").rename(folder / "new")
    seen = take_until(any_watcher, lambda seen: folder / "old" in seen.sweeps)
    assert seen.sweeps.index(folder / "new") < seen.sweeps.index(folder / "old")


@on_linux
def test_what_changes_in_a_renamed_folder_has_its_new_name(watcher: Watcher, folder: Path):
    (folder / "old" / "deep").mkdir(parents=True)
    watcher.follow([folder])
    (folder / "old").rename(folder / "new")
    take_until(watcher, lambda seen: len(seen.sweeps) == 2)
    (folder / "new" / "deep" / "a.txt").write_text("changed")
    assert take_until(watcher, lambda seen: seen.paths) == Seen([folder / "new" / "deep" / "a.txt"], [])


def test_a_deleted_tree_is_gone(any_watcher: Watcher, folder: Path):
    for name in ("a/b/c/1.txt", "a/b/2.txt", "a/3.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")
    any_watcher.follow([folder])
    shutil.rmtree(folder / "a")
    take_until(any_watcher, lambda seen: folder / "a" in seen.sweeps)


def test_nothing_is_handed_out_twice_in_one_take(watcher: Watcher, folder: Path):
    watcher.follow([folder])
    tree = folder / "a" / "b"
    tree.mkdir(parents=True)
    (tree / "1.txt").write_text("text")
    take_until(watcher, lambda seen: seen.paths)
    shutil.rmtree(folder / "a")
    (folder / "other.txt").write_text("text")
    time.sleep(0.15)
    assert watcher.take(0.0) == Changes((folder / "other.txt",), (folder / "a",))


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_no_file_of_a_checkout_is_lost(any_watcher: Watcher, folder: Path):
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=me", "-c", "user.email=me@here"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    files = [folder / f"part{number % 9}" / f"{number}.md" for number in range(400)]
    git("init", "--quiet", "--initial-branch=first")
    git("commit", "--quiet", "--allow-empty", "-m", "nothing")
    git("checkout", "--quiet", "-b", "second")
    for number, path in enumerate(files):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text {number}")
    git("add", "--all")
    git("commit", "--quiet", "-m", "much")
    git("checkout", "--quiet", "first")
    any_watcher.follow([folder])
    git("checkout", "--quiet", "second")

    def is_complete(seen: Seen) -> bool:
        return all(path in seen.paths or path.parent in seen.sweeps for path in files)

    seen = take_until(any_watcher, is_complete)
    assert not any(".git" in path.parts for path in seen.paths + seen.sweeps)


@pytest.mark.parametrize("name", ["photo.png", ".hidden.txt", "node_modules/a.md", ".git/HEAD.txt", "private/a.txt"])
def test_what_is_no_document_is_not_handed_out(any_watcher: Watcher, folder: Path, name: str):
    (folder / ".steepignore").write_text("private/\n")
    for each in ("node_modules", ".git", "private"):
        (folder / each).mkdir()
    any_watcher.follow([folder])
    (folder / name).write_text("text")
    assert take_all_until(any_watcher, folder / "last.txt") == Seen()


@on_linux
def test_folders_that_the_rules_leave_out_are_not_watched(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "node_modules" / "deep").mkdir(parents=True)
    (folder / "sub" / ".cache").mkdir(parents=True)
    from app.folders import inotify_events

    watched: list[str] = []
    real = inotify_events._add_watch

    def add_watch(descriptor: int, path: str, events: int) -> int:
        watched.append(path)
        return real(descriptor, path, events)

    monkeypatch.setattr(inotify_events, "_add_watch", add_watch)
    with open_watcher() as watcher:
        watcher.follow([folder])
    assert watched == [str(folder), str(folder / "sub")]


def test_changed_rules_have_the_folder_looked_through(any_watcher: Watcher, folder: Path):
    (folder / "private").mkdir()
    any_watcher.follow([folder])
    (folder / ".steepignore").write_text("private/\n")
    assert set(take_until(any_watcher, lambda seen: seen.sweeps).sweeps) == {folder}
    (folder / "private" / "a.txt").write_text("text")
    assert take_all_until(any_watcher, folder / "last.txt").paths == []
    (folder / ".steepignore").unlink()
    assert set(take_until(any_watcher, lambda seen: seen.sweeps).sweeps) == {folder}
    (folder / "private" / "a.txt").write_text("more text")
    assert set(take_until(any_watcher, lambda seen: seen.paths).paths) == {folder / "private" / "a.txt"}


def test_a_folder_that_turns_out_to_be_a_cache_is_looked_through_and_left_out(any_watcher: Watcher, folder: Path):
    (folder / "tools").mkdir()
    any_watcher.follow([folder])
    (folder / "tools" / "a.py").write_text("text")
    take_until(any_watcher, lambda seen: seen.paths)
    (folder / "tools" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert set(take_until(any_watcher, lambda seen: seen.sweeps).sweeps) == {folder / "tools"}
    (folder / "tools" / "a.py").write_text("more text")
    assert take_all_until(any_watcher, folder / "last.txt").paths == []


def test_with_unreadable_rules_only_their_repair_is_noticed(any_watcher: Watcher, folder: Path):
    (folder / ".steepignore").write_bytes(b"\xff\xfe\xff")
    any_watcher.follow([folder])
    assert any_watcher.polled == {}
    (folder / "note.txt").write_text("changed")
    (folder / ".steepignore").write_text("")
    assert set(take_until(any_watcher, lambda seen: seen.sweeps).sweeps) == {folder}
    (folder / "note.txt").write_text("changed again")
    take_until(any_watcher, lambda seen: folder / "note.txt" in seen.paths)


def test_symbolic_links_are_not_followed(watcher: Watcher, folder: Path, outside: Path):
    (folder / "before").symlink_to(outside, target_is_directory=True)
    watcher.follow([folder])
    (folder / "after").symlink_to(outside, target_is_directory=True)
    (outside / "a.txt").write_text("text")
    assert take_all_until(watcher, folder / "last.txt") == Seen()


def test_a_folder_that_is_no_longer_followed_is_silent(any_watcher: Watcher, folder: Path, outside: Path):
    any_watcher.follow([folder, outside])
    any_watcher.follow([outside])
    (folder / "note.txt").write_text("changed")
    assert take_all_until(any_watcher, outside / "last.txt") == Seen()
    any_watcher.follow([outside, folder])
    (folder / "note.txt").write_text("changed again")
    assert take_until(any_watcher, lambda seen: seen.paths).paths == [folder / "note.txt"]


def test_what_waited_is_not_handed_out_once_its_folder_is_no_longer_followed(folder: Path, outside: Path):
    with open_watcher(settle_seconds=0.2) as watcher:
        (folder / "sub").mkdir()
        watcher.follow([folder, outside])
        (folder / "note.txt").write_text("changed")
        (folder / "sub").rename(folder / "new")
        watcher.take(0.1)
        watcher.follow([outside])
        assert take_all_until(watcher, outside / "last.txt") == Seen()


@on_linux
def test_when_the_system_loses_events_the_folder_is_looked_through(folder: Path):
    """The kernel's queue holds 16,384 events, unless somebody raised that."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    is_held, may_go_on = threading.Event(), threading.Event()

    def hold(path: Path) -> bool:
        is_held.set()
        return may_go_on.wait(PATIENCE_SECONDS) and path.suffix == ".txt"

    with open_watcher(is_wanted=hold) as watcher:
        watcher.follow([folder])
        (folder / "note.txt").write_text("changed")
        assert is_held.wait(PATIENCE_SECONDS)
        for _ in range(limit // 2 + 1):
            os.utime(folder / "note.txt")
            (folder / "other.txt").touch()
        (folder / "sub").mkdir()
        may_go_on.set()
        take_until(watcher, lambda seen: folder in seen.sweeps)
        (folder / "sub" / "a.txt").write_text("text")
        take_until(watcher, lambda seen: folder / "sub" / "a.txt" in seen.paths)


def test_a_folder_on_a_network_drive_is_looked_through_again_and_again(folder: Path, outside: Path):
    with open_watcher(network_type=lambda path: "nfs4" if path == folder else None) as watcher:
        watcher.follow([folder, outside])
        assert watcher.polled == {folder: "lies on a network file system (nfs4)"}
        assert take_until(watcher, lambda seen: len(seen.sweeps) == 3) == Seen([], [folder] * 3)


def test_a_folder_that_can_be_watched_after_all_is(folder: Path):
    file_systems = ["nfs4"]
    with open_watcher(rescan_seconds=0.1, network_type=lambda _: "".join(file_systems) or None) as watcher:
        watcher.follow([folder])
        assert folder in watcher.polled
        file_systems.clear()
        take_until(watcher, lambda _: not watcher.polled)


@on_linux
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "holds more folders than the system lets its users watch"),
        (errno.EMFILE, "is one folder more than the system lets its users watch"),
        (errno.EIO, "cannot be watched: Input/output error"),
    ],
)
def test_a_folder_beyond_the_limits_of_the_system_is_looked_through_again_and_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
):
    for name in ("a", "b"):
        (folder / name).mkdir()
    from app.folders import inotify_events

    real = inotify_events._add_watch

    def add_watch(descriptor: int, path: str, events: int) -> int:
        if path.endswith("b"):
            raise OSError(number, os.strerror(number), path)
        return real(descriptor, path, events)

    monkeypatch.setattr(inotify_events, "_add_watch", add_watch)
    with open_watcher() as watcher:
        num_open = num_descriptors()
        watcher.follow([folder])
        assert watcher.polled[folder].startswith(reason)
        assert num_descriptors() == num_open
        assert take_until(watcher, lambda seen: len(seen.sweeps) == 2).sweeps == [folder, folder]


@on_linux
def test_a_folder_that_grows_beyond_the_limits_is_looked_through_from_then_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    with open_watcher() as watcher:
        watcher.follow([folder])
        assert watcher.polled == {}

        def add_watch(descriptor: int, path: str, events: int) -> int:
            raise OSError(errno.ENOSPC, "No space left on device", path)

        monkeypatch.setattr("app.folders.inotify_events._add_watch", add_watch)
        (folder / "one more").mkdir()
        assert take_until(watcher, lambda seen: len(seen.sweeps) == 2).sweeps == [folder, folder]
        assert folder in watcher.polled


@on_linux
def test_the_real_limits_of_the_kernel_are_met(folder: Path):
    """In a namespace of its own, whose limits are nobody else's."""
    for number in range(20):
        (folder / str(number)).mkdir()
    program = (
        "import sys; from pathlib import Path; from app.folders.watcher import Watcher\n"
        "Path('/proc/sys/user/max_inotify_watches').write_text('10')\n"
        "with Watcher(network_type=lambda _: None) as watcher:\n"
        "    watcher.follow([Path(sys.argv[1])])\n"
        "    print(*watcher.polled.values())\n"
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", program, str(folder)]
    if shutil.which("unshare") is None or subprocess.run([*command[:3], "true"], capture_output=True).returncode:
        pytest.skip("namespaces are not allowed here")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "max_user_watches" in done.stdout


def test_a_folder_that_vanishes_and_comes_back_is_followed_again(
    any_watcher: Watcher, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    any_watcher.follow([folder])
    away = folder.with_name("unplugged")
    folder.rename(away)
    assert folder in take_until(any_watcher, lambda seen: seen.sweeps).sweeps
    take_until(any_watcher, lambda seen: any_watcher.polled == {folder: "is not there"})
    folder.mkdir()
    time.sleep(0.15)
    assert any_watcher.take(0.0) == Changes()
    assert any_watcher.polled == {folder: "is not there"}
    folder.rmdir()
    away.rename(folder)
    take_until(any_watcher, lambda seen: folder in seen.sweeps)
    assert any_watcher.polled == {}
    (folder / "note.txt").write_text("changed")
    assert take_until(any_watcher, lambda seen: seen.paths) == Seen([folder / "note.txt"], [])


@on_linux
def test_that_a_folder_vanishes_is_heard(folder: Path):
    with open_watcher(poll_seconds=1000.0) as watcher:
        watcher.follow([folder])
        folder.rename(folder.with_name("unplugged"))
        assert take_until(watcher, lambda seen: seen.sweeps) == Seen([], [folder])
        assert watcher.polled == {folder: "is not there"}


def test_a_folder_that_was_replaced_by_another_is_looked_through_and_followed(watcher: Watcher, folder: Path):
    watcher.follow([folder])
    other = folder.with_name("other")
    other.mkdir()
    (other / "new.txt").write_text("text")
    folder.rename(folder.with_name("before"))
    other.rename(folder)
    take_until(watcher, lambda seen: folder in seen.sweeps and not watcher.polled)
    (folder / "new.txt").write_text("changed")
    take_until(watcher, lambda seen: folder / "new.txt" in seen.paths)


def test_a_folder_around_the_followed_one_may_be_renamed(watcher: Watcher, tmp_path: Path):
    folder = tmp_path.resolve() / "around" / "documents"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("text")
    watcher.follow([folder])
    folder.parent.rename(tmp_path / "elsewhere")
    assert take_until(watcher, lambda seen: seen.sweeps) == Seen([], [folder])
    assert watcher.polled == {folder: "is not there"}


def test_a_folder_that_is_not_there_yet_is_waited_for(any_watcher: Watcher, tmp_path: Path):
    folder = tmp_path.resolve() / "later"
    any_watcher.follow([folder])
    assert any_watcher.polled == {folder: "is not there"}
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    take_until(any_watcher, lambda seen: folder in seen.sweeps)
    assert any_watcher.polled == {}


def test_a_watched_folder_is_looked_through_now_and_then(folder: Path):
    with open_watcher(rescan_seconds=0.1) as watcher:
        watcher.follow([folder])
        assert take_until(watcher, lambda seen: len(seen.sweeps) == 2) == Seen([], [folder, folder])
        assert watcher.polled == {}


def test_nothing_is_handed_out_before_the_time_is_over(watcher: Watcher, folder: Path):
    watcher.follow([folder])
    started_at = time.monotonic()
    assert not watcher.take(0.2)
    assert time.monotonic() - started_at >= 0.2


def test_a_mistake_in_a_thread_behind_it_is_raised_by_take(folder: Path):
    def fail(path: Path) -> bool:
        raise ZeroDivisionError

    for open_events in (system_events, WatchdogEvents):
        with open_watcher(open_events, is_wanted=fail) as watcher:
            watcher.follow([folder])
            (folder / "note.txt").write_text("changed")
            for _ in range(2):
                with pytest.raises(ZeroDivisionError):
                    watcher.take(PATIENCE_SECONDS)


@pytest.mark.parametrize("open_events", [system_events, WatchdogEvents])
def test_close_ends_a_take_and_all_threads_and_frees_all_descriptors(
    folder: Path, outside: Path, open_events: Callable[[Inbox, Callable[[Path], bool]], FolderEvents]
):
    threads = set(threading.enumerate())
    num_open = num_descriptors()
    watcher = open_watcher(open_events)
    watcher.follow([folder, outside])
    watcher.follow([folder])
    taken: list[Changes] = []
    taking = threading.Thread(target=lambda: taken.append(watcher.take(60.0)))
    taking.start()
    watcher.close()
    watcher.close()
    taking.join(PATIENCE_SECONDS)
    assert taken == [Changes()]
    assert set(threading.enumerate()) == threads
    assert num_descriptors() == num_open
    assert watcher.take(60.0) == Changes()


def test_whoever_acts_on_every_change_knows_what_is_there(watcher: Watcher, folder: Path, outside: Path):
    """Many changes of all kinds, at random but always the same ones, while somebody keeps a list up to date."""
    roots = [folder, outside]
    known: dict[Path, tuple[int, int]] = {}

    def look(path: Path) -> None:
        root = next(root for root in roots if path.is_relative_to(root))
        found = {each.path: (each.num_bytes, each.mtime_ns) for each in scan(root, below=path).files}
        for gone in [each for each in known if each.is_relative_to(path) and each not in found]:
            del known[gone]
        known.update(found)

    def truth() -> dict[Path, tuple[int, int]]:
        return {each.path: (each.num_bytes, each.mtime_ns) for root in roots for each in scan(root).files}

    changer = threading.Thread(target=change_much, args=[random.Random(7), [*roots, folder.parent / "elsewhere"], 1000])
    watcher.follow(roots)
    for root in roots:
        look(root)
    changer.start()

    def is_known(_: Seen) -> bool:
        return not changer.is_alive() and known == truth()

    deadline = time.monotonic() + PATIENCE_SECONDS * 3
    while not is_known(Seen()):
        assert time.monotonic() < deadline
        changes = watcher.take(0.1)
        for path in (*changes.sweeps, *changes.paths):
            look(path)
    changer.join()


def change_much(chance: random.Random, roots: list[Path], num_changes: int) -> None:
    """Writes, renames, copies and deletes files and trees below `roots`, and changes the rules."""

    def some_folder() -> Path:
        return chance.choice(roots).joinpath(*chance.choices(["p", "q", "r", "node_modules"], k=chance.randint(0, 3)))

    def some_file() -> Path:
        return some_folder() / chance.choice(["a.txt", "b.md", ".hidden.txt", "photo.png", "c.txt~"])

    def write() -> None:
        path = some_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * chance.randint(0, 9))

    def copy_tree() -> None:
        source, target = some_folder(), some_folder() / "copy"
        if not target.is_relative_to(source) and len(list(source.rglob("*"))) < 30:
            shutil.copytree(source, target, dirs_exist_ok=True)

    def delete_tree() -> None:
        path = some_folder()
        if path not in roots:
            shutil.rmtree(path)

    def change_rules() -> None:
        (roots[0] / ".steepignore").write_text(chance.choice(["", "q/\n", "*.md\n", "!node_modules/\n"]))

    kinds = {
        write: 40,
        lambda: some_file().rename(some_file()): 10,
        lambda: some_folder().rename(some_folder() / "r"): 20,
        lambda: some_file().unlink(): 5,
        copy_tree: 5,
        delete_tree: 8,
        change_rules: 1,
        lambda: time.sleep(0.002): 20,
    }
    for kind in chance.choices(list(kinds), list(kinds.values()), k=num_changes):
        with contextlib.suppress(OSError, shutil.Error):
            kind()
