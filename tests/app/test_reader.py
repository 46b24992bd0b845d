"""Documents are read in processes of their own.

Most misbehaviour comes from a parser gone wild, which every worker has in the place of the one for plain text: it does
what the first word of a document says, after making the file that the last word names, if it is a path.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path

import psutil
import pytest

from app import reader as module
from app.errors import ReaderUnusable
from app.formats import frames
from app.formats.errors import (
    CannotOpen,
    NothingToRead,
    NotText,
    ReaderDied,
    TookTooLong,
    TooLarge,
    UnknownFormat,
    UnreadableDocument,
)
from app.formats.registry import ReadFile, read_file
from app.reader import DocumentReader
from tests.waiting import WAIT_SECONDS, wait_until

SHORT_SECONDS = 0.5

WILD_PARSER = r"""
import os, pathlib, re, signal, sys, time
from app.formats import plain_text

tame, was_armed = plain_text.extract, []

def extract(data, name):
    words = data.decode().split()
    if os.sep in words[-1]:
        pathlib.Path(words[-1]).touch()
    if was_armed:
        os._exit(1)
    match words:
        case ["crash", *_]:
            os.kill(os.getpid(), signal.SIGSEGV)
        case ["leave", *_]:
            os._exit(3)
        case ["raise", *_]:
            raise KeyError("no such font")
        case ["eat", *_]:
            eaten = [bytearray(1 << 24) for _ in range(1 << 16)]
        case ["grow", *_]:
            extract.grown = b"x" * (96 << 20)
        case ["spin", *_]:
            re.match("(a*)*b", "a" * 64)  # in C: no other Python code runs
        case ["sleep", *_]:
            time.sleep(600)
        case ["await", path, *_]:
            while not os.path.exists(path):
                time.sleep(0.001)
        case ["arm", *_]:
            was_armed.append(True)
        case ["print", *_]:
            print("out", flush=True)
            os.write(1, b"out")
            os.system("echo out; echo err >&2")
            sys.stdin.read()
        case ["babble", *_]:
            for descriptor in range(3, 20):
                try:
                    os.write(descriptor, b"nonsense")
                except OSError:
                    pass
        case ["shrink", *_]:
            from app.formats import frames
            frames.MAX_NUM_BYTES = 100
        case ["write", path, *_]:
            pathlib.Path(path).write_text("found you")
    return tame(data, name)

plain_text.extract = extract
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a document; workers started from now on read it with the wild parser."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WILD_PARSER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (folder, Path(__file__).parents[2]))))

    def write(text: str, name: str = "a.txt") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def read(reader: DocumentReader, path: Path) -> str:
    return reader.submit(path).result(WAIT_SECONDS).document.text


def error(future: Future[ReadFile]) -> BaseException | None:
    return future.exception(WAIT_SECONDS)


def workers(process: psutil.Process | None = None) -> list[psutil.Process]:
    """The worker processes of a process, of this one if none is given, that are alive."""
    children = (process or psutil.Process()).children()
    return [each for each in children if is_alive(each) and "app.formats.worker" in each.cmdline()]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_document_comes_back_as_it_is_read_here(tmp_path: Path):
    path = tmp_path / "Grüße.md"
    path.write_text('# Tür & Tor\n\nÜber 𝔘nicode \U0001f410 \\ "x" \x7f\n\n## Unten\n\n- a\n- b\n\nEnde', "utf-8")
    os.utime(path, ns=(17, 1_700_000_000_123_456_789))
    with DocumentReader() as reader:
        assert reader.submit(path).result(WAIT_SECONDS) == read_file(path)


def test_a_file_name_that_is_not_text_is_opened(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text("goat")
    with DocumentReader() as reader:
        assert read(reader, path) == "goat"


def test_a_relative_path_is_that_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with DocumentReader() as reader:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.txt").write_text(name)
            monkeypatch.chdir(tmp_path / name)
            assert read(reader, Path("a.txt")) == name


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.txt", None, CannotOpen),
        ("a.txt", b"", NothingToRead),
        ("a.txt", b"\x00\x01", NotText),
        ("a.png", b"data", UnknownFormat),
    ],
)
def test_a_document_that_cannot_be_read_says_why(tmp_path: Path, name: str, data: bytes | None, kind: type):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UnreadableDocument) as expected:
        read_file(path)
    with DocumentReader() as reader:
        found = error(reader.submit(path))
    assert type(found) is kind
    assert str(found) == str(expected.value)


def test_documents_are_read_in_the_order_they_came(tmp_path: Path):
    finished: list[str] = []
    futures = []
    with DocumentReader() as reader:
        for number in range(30):
            path = tmp_path / f"{number}.txt"
            path.write_text(f"text {number}")
            futures.append(reader.submit(path))
            futures[-1].add_done_callback(lambda done: finished.append(done.result().document.text))
        texts = [future.result(WAIT_SECONDS).document.text for future in futures]
        assert len(workers()) == 1
    assert finished == texts == [f"text {number}" for number in range(30)]


def test_workers_read_at_the_same_time(write: Write, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    with DocumentReader(num_workers=2) as reader:
        futures = [
            reader.submit(write(f"await {two} {one}", "a.txt")),
            reader.submit(write(f"await {one} {two}", "b.txt")),
        ]
        assert [future.result(WAIT_SECONDS).document.title for future in futures] == ["a", "b"]


def test_nothing_is_started_before_there_is_something_to_read():
    with DocumentReader(num_workers=2):
        assert workers() == []


def test_a_page_that_nests_too_deep_takes_too_long_and_stops_nobody(tmp_path: Path):
    (tmp_path / "a.html").write_bytes(b"<div>" * 400_000 + b"word")
    (tmp_path / "b.txt").write_text("goat")
    with DocumentReader(timeout_seconds=SHORT_SECONDS) as reader:
        deep, good = reader.submit(tmp_path / "a.html"), reader.submit(tmp_path / "b.txt")
        assert str(error(deep)) == "a.html took longer than 0.5 s to read"
        assert isinstance(error(deep), TookTooLong)
        assert good.result(WAIT_SECONDS).document.text == "goat"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("crash", "killed by signal 11"),
        ("leave", "exit code 3"),
        ("raise", "KeyError: 'no such font'"),
        ("eat", "out of memory"),
        ("babble", "its answer makes no sense"),
    ],
)
def test_a_document_that_makes_its_reader_fail_is_unreadable(write: Write, behaviour: str, reason: str):
    with DocumentReader() as reader:
        assert read(reader, write("goat")) == "goat"
        bad, good = reader.submit(write(behaviour, "bad.txt")), reader.submit(write("ferry", "b.txt"))
        assert isinstance(error(bad), ReaderDied)
        assert str(error(bad)) == f"bad.txt made its reader fail ({reason})"
        assert good.result(WAIT_SECONDS).document.text == "ferry"


def test_a_document_is_not_blamed_for_what_was_read_before_it(write: Write):
    with DocumentReader() as reader:
        assert read(reader, write("arm")) == "arm"
        assert read(reader, write("goat", "b.txt")) == "goat"


def test_a_text_too_long_for_an_answer_is_too_large(write: Write):
    with DocumentReader() as reader:
        assert isinstance(error(reader.submit(write("shrink" + " goat" * 50))), TooLarge)


def test_what_a_parser_prints_reaches_nobody(write: Write, capfd: pytest.CaptureFixture[str]):
    with DocumentReader() as reader:
        assert read(reader, write("print")) == "print"
        assert read(reader, write("goat", "b.txt")) == "goat"
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such limits")
def test_a_parser_writes_no_files(write: Write, tmp_path: Path):
    target = tmp_path / "target"
    with DocumentReader() as reader:
        assert str(error(reader.submit(write(f"write {target} .")))).startswith("a.txt made its reader fail (OSError:")
    assert target.read_bytes() == b""


def test_too_much_memory_is_seen_where_the_system_sets_no_limit(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    started = tmp_path / "started"
    monkeypatch.setattr(module._Worker, "_memory_num_bytes", lambda self: started.exists() << 40)
    with DocumentReader() as reader:
        future = reader.submit(write(f"sleep {started}"))
        assert str(error(future)) == "a.txt made its reader fail (out of memory)"


def test_a_reader_that_is_killed_from_outside_does_not_stop_the_others(write: Write, tmp_path: Path):
    started = tmp_path / "started"
    with DocumentReader() as reader:
        bad, good = reader.submit(write(f"sleep {started}")), reader.submit(write("goat", "b.txt"))
        wait_until(started.exists)
        workers()[0].kill()
        assert str(error(bad)) == "a.txt made its reader fail (killed by signal 9)"
        assert good.result(WAIT_SECONDS).document.text == "goat"


def test_a_reader_that_is_killed_between_two_documents_is_replaced(write: Write):
    with DocumentReader() as reader:
        assert read(reader, write("goat")) == "goat"
        workers()[0].kill()
        assert read(reader, write("ferry")) == "ferry"


def test_a_time_limit_that_ran_out_as_the_answer_came_is_not_held_against_the_next_document(write: Write):
    lane = module._Lane(WAIT_SECONDS)
    lane.read(write("goat"))
    worker = lane._worker
    assert worker
    with worker._lock:
        worker._kill(module._TooLong("it took too long"))
    assert lane.read(write("ferry")).document.text == "ferry"
    lane.end_worker()


def test_a_worker_is_replaced_after_many_documents(write: Write, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MAX_NUM_DOCUMENTS", 2)
    with DocumentReader() as reader:
        found = []
        for _ in range(4):
            read(reader, write("goat"))
            found += workers()
    assert found[0] == found[1] != found[2] == found[3]


def test_a_worker_is_replaced_when_it_has_grown(write: Write, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_GROWN_MEMORY_NUM_BYTES", 100 << 20)
    with DocumentReader() as reader:
        found = []
        for text in ("goat", "grow", "ferry"):
            read(reader, write(text))
            found += workers()
    assert found[0] == found[1] != found[2]


def test_a_worker_with_nothing_to_do_ends(write: Write, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    with DocumentReader() as reader:
        for _ in range(2):
            assert read(reader, write("goat")) == "goat"
            wait_until(lambda: not workers())


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no sessions")
def test_ctrl_c_is_not_for_workers(write: Write, tmp_path: Path):
    started, go = tmp_path / "started", tmp_path / "go"
    with DocumentReader() as reader:
        future = reader.submit(write(f"await {go} {started}"))
        wait_until(started.exists)
        (worker,) = workers()
        assert os.getsid(worker.pid) != os.getsid(0)
        worker.send_signal(signal.SIGINT)
        go.touch()
        assert future.result(WAIT_SECONDS).document.title == "a"


def test_a_folder_named_like_the_program_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('taken over')")
    (tmp_path / "a.txt").write_text("goat")
    monkeypatch.chdir(tmp_path)
    with DocumentReader() as reader:
        assert read(reader, tmp_path / "a.txt") == "goat"


def test_no_document_is_blamed_for_a_broken_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('a part is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with DocumentReader() as reader, pytest.raises(ReaderUnusable, match=r"does not start: a part is missing$"):
        read(reader, tmp_path / "a.txt")


def test_no_document_is_blamed_when_python_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with DocumentReader() as reader, pytest.raises(ReaderUnusable, match="does not start: No such file"):
        read(reader, tmp_path / "a.txt")


def test_closing_stops_everything_at_once(write: Write, tmp_path: Path):
    started = tmp_path / "started"
    reader = DocumentReader()
    running, waiting = reader.submit(write(f"spin {started}")), reader.submit(write("goat", "b.txt"))
    wait_until(started.exists)
    reader.close()
    reader.close()
    assert workers() == []
    assert isinstance(error(running), CancelledError)
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        reader.submit(tmp_path / "a.txt")


def test_a_reader_may_be_closed_by_what_waits_for_a_document(write: Write):
    reader = DocumentReader()
    future = reader.submit(write("goat"))
    future.add_done_callback(lambda _: reader.close())
    assert future.result(WAIT_SECONDS).document.text == "goat"
    wait_until(lambda: not workers())
    reader.close()


def test_a_worker_ends_with_its_pipe():
    command = [sys.executable, "-P", "-m", "app.formats.worker", "5", str(1 << 30)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout
        assert worker.stdin
        assert frames.read(worker.stdout) == {"pid": worker.pid}
        worker.stdin.close()
        assert worker.wait(WAIT_SECONDS) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no alarms")
def test_a_worker_ends_by_itself_when_nobody_kills_it_in_time(write: Write):
    command = [sys.executable, "-P", "-m", "app.formats.worker", "1", str(1 << 30)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin
        frames.write(worker.stdin, {"path": str(write("spin"))})
        assert worker.wait(WAIT_SECONDS) == -signal.SIGALRM


PARENT = """
import sys, time
from pathlib import Path
from app.reader import DocumentReader
# Linux ends a worker with its parent, other systems soon after its time is up.
reader = DocumentReader(num_workers=2, timeout_seconds=600 if sys.platform == "linux" else 1)
reader.submit(Path(sys.argv[1]))
reader.submit(Path(sys.argv[2])).result()
print("ready", flush=True)
time.sleep(600)
"""


def test_no_worker_outlives_a_parent_that_was_killed(write: Write, tmp_path: Path):
    started = tmp_path / "started"
    paths = [write(f"spin {started}"), write("goat", "b.txt")]
    with subprocess.Popen([sys.executable, "-c", PARENT, *map(str, paths)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"ready\n"
        wait_until(started.exists)
        orphans = workers(psutil.Process(parent.pid))
        assert orphans
        parent.kill()
        wait_until(lambda: not any(map(is_alive, orphans)))
