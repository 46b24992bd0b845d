"""`steep watch`: read and steep what changes in the watched folders, until Ctrl-C.

On a terminal a live table tells where everything stands; elsewhere one plain line per thing that happened, or with
`--json` one object per line on stdout.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from app.errors import NothingIndexed
from app.gate.events import GateMeasured, GateTrouble
from app.gate.words import verdict_words
from app.indexer import FileGone, FileSeen, FolderProblem, indexing_lock
from app.settings import Value
from app.steeper import ChunkSteeped, SteepingTrouble
from app.terminal import Terminal
from app.upkeep import FolderPolled, Resting, SweepDone, UpkeepEvent, keep_up
from app.wiring import open_engine, open_parts
from app.wording import counted, duration

_LOG_SECONDS = 30.0
"""Between two lines about steeping: a chunk is done every few seconds."""


def run(flags: Mapping[str, Value | None], terminal: Terminal, *, as_json: bool) -> None:
    """Until Ctrl-C (or SIGTERM), which rises as KeyboardInterrupt when everything is closed."""
    with open_parts(flags, for_engine=True) as parts:
        folders = parts.index.folders()
        if not folders:
            raise NothingIndexed("no folder is watched yet. Add one: steep add FOLDER")
        with (
            indexing_lock(parts.locations),
            open_engine(parts, terminal, context_tokens=parts.settings.chunk_tokens) as engine,
            _teller(terminal, len(folders), as_json=as_json) as tell,
            _stopped_by_signals() as stop,
        ):
            verdict = engine.ready.blendability
            if not verdict.possible:
                name = engine.ready.model_name
                terminal.remark(f"{name} cannot be blended because {verdict.reason}; nothing is steeped.", "yellow")
            keep_up(parts, engine, tell, stop)
    terminal.remark("Stopped. Everything that was done is kept.")
    raise KeyboardInterrupt


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM end the loop between two steps, instead of anywhere."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt  # twice: now
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _teller(terminal: Terminal, num_folders: int, *, as_json: bool) -> Iterator[Callable[[UpkeepEvent], None]]:
    if as_json:
        yield _print_object
    elif terminal.is_interactive and not terminal.is_quiet:
        from app.commands.watch_board import Board

        board = Board(num_folders)
        with terminal.live(board):
            yield board.note
    else:
        yield _Log(terminal).note


class _Log:
    """Plain lines for what a person would want to find in a log."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._num_tokens, self._since = 0, time.monotonic()

    def note(self, event: UpkeepEvent) -> None:
        for line in self._lines(event):
            self._terminal.remark(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}", None)

    def _lines(self, event: UpkeepEvent) -> Iterator[str]:
        match event:
            case FileSeen(path=path, was_read=True, error=error):
                yield f"{path} {error}" if error else f"read {path}"
            case FileGone(path):
                yield f"forgot {path}"
            case FolderProblem(path, reason) | FolderPolled(path, reason):
                yield f"{path} {reason}"
            case SweepDone(num_files, num_read, seconds):
                took = duration(seconds * 1e3)
                yield f"looked through {counted(num_files, 'document')} in {took}, {num_read:,} read"
            case ChunkSteeped(_, num_tokens, was_encoded):
                self._num_tokens += num_tokens if was_encoded else 0
                elapsed = time.monotonic() - self._since
                if elapsed > _LOG_SECONDS and self._num_tokens:
                    yield f"steeped {counted(self._num_tokens, 'token')} in {duration(elapsed * 1e3)}"
                    self._num_tokens, self._since = 0, time.monotonic()
            case SteepingTrouble(reason):
                yield f"cannot steep: {reason}"
            case GateMeasured(model_name, verdict):
                yield f"measured: {model_name} {verdict_words(verdict)}"
            case GateTrouble(reason):
                yield reason
            case Resting(reason):
                yield f"steeping rests: {reason}" if reason else "steeping goes on"
            case _:
                pass


def _print_object(event: UpkeepEvent) -> None:
    if isinstance(event, FileSeen) and not event.was_read:
        return
    assert is_dataclass(event)
    line = json.dumps({"event": type(event).__name__, **asdict(event)}, default=_plain, ensure_ascii=True)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _plain(value: Any) -> str:
    assert isinstance(value, Path), value
    return str(value)
