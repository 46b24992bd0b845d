"""`steep bench app`: how soon the app takes a key after its start, and how soon it shows one while it works.

The real program runs on a terminal of its own, over a library of many small documents that is made for it. Keys are
pressed one by one, each another character; the time until the screen shows it counts.

    start       from the start of the process to the first key that is shown; the model still loads then
    steeping    keys while documents are steeped in the background
    answering   keys while an answer is being made

Unix only: it takes a pseudo-terminal.
"""

import fcntl
import itertools
import os
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median, quantiles

from app.errors import AppError
from app.locations import HOME_VARIABLE
from app.models.choice import choose_model
from app.settings import Value
from app.terminal import Terminal
from app.wiring import open_parts
from app.wording import counted
from engine.owner import Owner
from storage.index import Index

_COLUMNS, _ROWS = 120, 40
_PAUSE_SECONDS = 0.08
"""Between two keys: a fast typist."""

_KEYS_PER_LINE = 60
"""Then the line is emptied: a question of more is another measurement."""

_WAIT_SECONDS = 60.0
_EMPTY_LINE, _ENTER, _QUIT = b"\x15", b"\r", b"\x11"
_CHARACTERS = "".join(map(chr, (*range(0x100, 0x180), *range(0x391, 0x3A2), *range(0x410, 0x450))))
"""Letters that nothing on the screen has: what is seen of one is the key that was pressed."""

_PROMPT = "sk your documents"
"""What the input shows while it is empty, without the letter that the cursor is on."""

_QUESTION = "Tell a long story about the lighthouse"
_WORDS = """harbour lighthouse ferry captain island garden teahouse bell rope lantern goat wind tide stone boat market
festival letter clock bridge kitchen orchard river mountain winter summer morning evening silver copper linen salt honey
"""


class AppSilent(AppError):
    """The app did not show what was waited for."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Milliseconds from pressing a key to seeing it."""

    while_: str
    milliseconds: tuple[float, ...]

    def at(self, percent: int) -> float:
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]

    def as_object(self) -> dict[str, object]:
        return {
            "while": self.while_,
            "keys": len(self.milliseconds),
            "median_ms": round(self.at(50), 1),
            "p99_ms": round(self.at(99), 1),
            "max_ms": round(max(self.milliseconds), 1),
        }


def run(
    flags: Mapping[str, Value | None],
    terminal: Terminal,
    *,
    num_documents: int,
    num_keys: int,
    num_starts: int,
    as_json: bool,
) -> None:
    """Measure and print."""
    with open_parts(flags) as parts:
        model = choose_model(parts.settings.model, parts.locations)
    with tempfile.TemporaryDirectory(prefix="steep-bench-") as folder:
        library = _Library(Path(folder), model)
        library.fill(num_documents, terminal)
        with terminal.progress("Starting", "starts") as show:
            starts = []
            for number in range(num_starts):
                with library.started() as screen:
                    starts.append(screen.first_key_ms())
                show(number + 1, num_starts)
        with library.started() as screen, terminal.progress("Pressing keys", "keys") as show:
            pressed: list[Keys] = []
            for name, keys in (("steeping", library.steeping(screen)), ("answering", library.answering(screen))):
                times: list[float] = []
                for milliseconds in keys:
                    times.append(milliseconds)
                    show(len(pressed) * num_keys + len(times), 2 * num_keys)
                    if len(times) == num_keys:
                        break
                pressed.append(Keys(name, tuple(times)))
    if as_json:
        listed = [keys.as_object() for keys in pressed]
        terminal.json({"documents": num_documents, "start_ms": [round(start, 1) for start in starts], "keys": listed})
    else:
        _print(num_documents, starts, pressed, terminal)


class _Library:
    """A home of its own with documents of its own, and the program that runs in it."""

    def __init__(self, folder: Path, model: Path) -> None:
        self._documents, self._home = folder / "documents", folder / "home"
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("STEEP_")} | {
            HOME_VARIABLE: str(self._home),
            "STEEP_MODEL": str(model),
            "STEEP_MAX_ANSWER_TOKENS": "1024",
            "STEEP_GATE": "false",
            "STEEP_INSTRUCTIONS": "Write at least a thousand words.",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }

    def fill(self, num_documents: int, terminal: Terminal) -> None:
        """Write documents and make them searchable."""
        _write_documents(self._documents, num_documents)
        with terminal.progress(f"Reading {counted(num_documents, 'document')}", "documents"):
            self._run("add", str(self._documents))
            self._run("index", "--no-steep", "--quiet")

    def _run(self, *arguments: str) -> None:
        subprocess.run(_command(*arguments), env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def started(self) -> "_Screen":
        return _Screen(_command(), self._environment)

    def steeping(self, screen: "_Screen") -> Iterator[float]:
        """Keys while documents are steeped; it has begun when the first state is on disk."""
        screen.first_key_ms()
        before = self._num_states()
        _wait_until(lambda: self._num_states() > before, "nothing is steeped")
        while self._is_behind():
            yield from screen.line_of_keys()
        raise AppSilent("everything was steeped before all keys were pressed: measure with more documents.")

    def answering(self, screen: "_Screen") -> Iterator[float]:
        """Keys while answers are made, as many answers as it takes."""
        while True:
            num_turns = self._num_turns()
            screen.press(_EMPTY_LINE + _QUESTION.encode() + _ENTER)
            time.sleep(_PAUSE_SECONDS)
            while self._num_turns() == num_turns:
                yield from screen.line_of_keys()

    def _num_states(self) -> int:
        with Index(self._home / "data" / "index.sqlite3") as index:
            return index.counts().num_states

    def _is_behind(self) -> bool:
        with Index(self._home / "data" / "index.sqlite3") as index:
            counts = index.counts()
            return counts.num_steeped_chunks < counts.num_chunks

    def _num_turns(self) -> int:
        with Index(self._home / "data" / "index.sqlite3") as index:
            return sum(conversation.num_turns for conversation in index.conversations())


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app", *arguments]


def _write_documents(folder: Path, number: int) -> None:
    random = Random(20)  # noqa: S311 - the same documents every time
    for i in range(number):
        path = folder / f"{i % 100:02}" / f"{i:05}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Note {i}\n\n{' '.join(random.choices(_WORDS.split(), k=60)).capitalize()}.\n", "utf-8")


class _Screen(Owner):
    """The program on a terminal: what is pressed, and when the screen shows it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._started = time.perf_counter()
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self._terminal = ours
        self._process = subprocess.Popen(
            command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._changed = threading.Condition()  # guards the two below
        self._shown = bytearray()
        self._has_ended = False
        self._characters = itertools.cycle(_CHARACTERS)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def first_key_ms(self) -> float:
        """From the start of the process until the first key, pressed when there was a prompt, is shown."""
        self._wait_for(_PROMPT.encode())
        self._key_ms()
        milliseconds = (time.perf_counter() - self._started) * 1e3
        self.press(_EMPTY_LINE)
        return milliseconds

    def _key_ms(self) -> float:
        character = next(self._characters).encode()
        with self._changed:
            self._shown.clear()
        pressed = time.perf_counter()
        self.press(character)
        self._wait_for(character)
        return (time.perf_counter() - pressed) * 1e3

    def _wait_for(self, wanted: bytes) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: wanted in self._shown or self._has_ended, _WAIT_SECONDS):
                raise AppSilent(f"the app did not show {wanted.decode()!r} within {_WAIT_SECONDS:.0f} seconds.")
            if self._has_ended:
                raise AppSilent(f"the app ended: {self._shown[-2000:].decode(errors='replace')}")

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._terminal, 1 << 16)
            except OSError:  # Linux says EIO where others say end of file
                piece = b""
            with self._changed:
                self._shown += piece
                self._has_ended = not piece
                self._changed.notify_all()
            if not piece:
                return

    def line_of_keys(self) -> Iterator[float]:
        """Some keys, one by one; then the line is emptied."""
        for _ in range(_KEYS_PER_LINE):
            yield self._key_ms()
            time.sleep(_PAUSE_SECONDS)
        self.press(_EMPTY_LINE)
        time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Quit as a user would, then by force."""
        if self._process.poll() is None:
            self.press(_QUIT)
        try:
            self._process.wait(_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        os.close(self._terminal)


def _wait_until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AppSilent(f"{complaint} within {_WAIT_SECONDS:.0f} seconds.")
        time.sleep(_PAUSE_SECONDS)


def _print(num_documents: int, starts: Sequence[float], pressed: Sequence[Keys], terminal: Terminal) -> None:
    terminal.data(f"{counted(num_documents, 'document')}; from start to the first key on the screen:")
    terminal.data(
        f"  median {median(starts):,.0f} ms of {counted(len(starts), 'start')}, slowest {max(starts):,.0f} ms"
    )
    terminal.data(f"{'':12}{'keys':>6}{'median':>11}{'99 %':>11}{'slowest':>11}")
    for keys in pressed:
        figures = "".join(f"{figure:>8,.1f} ms" for figure in (keys.at(50), keys.at(99), max(keys.milliseconds)))
        terminal.data(f"{keys.while_:12}{len(keys.milliseconds):>6,}{figures}")
