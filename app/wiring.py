"""Builds the parts and owns their order: locations → settings → index and store → model → compute thread.

The engine is imported late: llama.cpp's libraries cost 0.5 s, and most commands need none of them. `engine.bindings`
has to be imported before numpy is (see there), so commands with an engine open their parts with `for_engine`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.kept_log import kept_log
from app.locations import Locations, find_locations
from app.models.choice import choose_model
from app.models.identity import model_identity
from app.settings import Settings, Value, load_settings
from app.terminal import Terminal
from storage.errors import StorageError
from storage.index import Index
from storage.store import StateStore

if TYPE_CHECKING:
    from engine.ports import OpenShelf
    from engine.runtime import Ready, Runtime
    from engine.vocabulary import Vocabulary

_logger = logging.getLogger(__name__)

_PREAMBLE_CELLS = 512
"""Room for the preamble and the chat template: 44 tokens for Qwen, a few hundred for long-winded templates."""

_MIN_QUESTION_CELLS = 256
_CHARACTERS_PER_TOKEN = 2
"""Fewer than any real question has, so that its cells are enough."""

_LONGEST_CHUNK = 2
"""Times chunk_tokens: room for the heading above a chunk, and for a tokenizer other than that it was cut with."""

_UNKNOWN_WINDOW = 1 << 30
"""Where the file does not say how long a prompt may be; the engine asks the loaded model again."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every command needs; `index` belongs to the thread that opened it."""

    locations: Locations
    settings: Settings
    index: Index
    store: StateStore


@dataclass(frozen=True, slots=True)
class Engine:
    """A compute thread with its model loaded."""

    runtime: "Runtime"
    ready: "Ready"
    model_path: Path
    fingerprints: Mapping[int, str]
    """Of its chunk states, by the position of a state's first token (`PromptFrame.first_positions`)."""
    window: int
    """Tokens of the longest prompt with its answer that the model was trained for."""
    longest_chunk: int
    """Tokens of the longest chunk that can be steeped."""

    @property
    def fingerprint(self) -> str:
        """That of states for any place, of conversations, rates and verdicts: what stands for the model as a whole."""
        return next(iter(self.fingerprints.values()))

    @property
    def all_fingerprints(self) -> tuple[str, ...]:
        """That one first."""
        return tuple(self.fingerprints.values())


@contextmanager
def open_parts(flags: Mapping[str, Value | None], *, for_engine: bool = False) -> Iterator[Parts]:
    """Open settings and store; creates the data folder on first use.

    With `for_engine` the native library comes first, because migrating an index imports numpy.
    """
    if for_engine:
        from engine import bindings  # noqa: F401
    locations = find_locations()
    settings = load_settings(locations.config_file, flags)
    with kept_log(locations.log_file), Index(locations.index_file) as index:
        yield Parts(locations, settings, index, StateStore(locations.states_dir, index))


@contextmanager
def open_engine(
    parts: Parts,
    terminal: Terminal,
    *,
    context_tokens: int,
    question: str = "",
    open_shelf: "OpenShelf | None" = None,
) -> Iterator[Engine]:
    """Choose and load the model for questions one by one, start the compute thread, and stop it at the end.

    `open_shelf`: where states come from and go to, if not to the store.
    """
    path = _chosen_model(parts, terminal)
    num_cells = _num_cells(parts.settings, context_tokens, len(question))
    with engine_of(parts, path, num_cells, open_shelf) as engine:
        yield engine


@contextmanager
def engine_of(
    parts: Parts, model_path: Path, num_cells: int, open_shelf: "OpenShelf | None" = None
) -> Iterator[Engine]:
    """Load a model with room for prompts and answers of `num_cells` tokens, or as many as it was trained for."""
    from app.shelf import fingerprints_of, shelf_opener
    from engine.gguf_header import read_header
    from engine.model import ContextOptions
    from engine.runtime import Runtime
    from engine.session import SessionOptions

    window = _window(read_header(model_path, vocabulary=False).of_architecture("context_length"))
    settings, num_cells = parts.settings, min(num_cells, window)
    options = SessionOptions(
        model_path=model_path,
        model_identity=model_identity(model_path, parts.index),
        gpu_layers=settings.gpu_layers,
        context=ContextOptions(
            num_cells=num_cells + settings.batch_tokens,
            batch_tokens=settings.batch_tokens,
            num_threads=settings.threads,
            kv_type=settings.kv_type,
        ),
        longest_chunk=min(_LONGEST_CHUNK * settings.chunk_tokens, num_cells),
        num_filler_tokens=settings.filler_tokens,
    )
    with Runtime(options, open_shelf or shelf_opener(parts.locations, settings)) as runtime:
        ready = runtime.wait_ready()
        engine = Engine(runtime, ready, model_path, fingerprints_of(ready.facts), window, options.longest_chunk)
        _note_fingerprints(parts, options.model_identity, engine.all_fingerprints)
        yield engine


def _note_fingerprints(parts: Parts, model_identity: str, fingerprints: Sequence[str]) -> None:
    """So that `steep status` finds what was measured of the model, and states for the first place are known to be
    expendable; answers do not need it."""
    try:
        parts.index.note_fingerprint(model_identity, parts.settings.kv_type, *fingerprints)
    except StorageError as error:
        _logger.info("The fingerprint of a model was not noted: %s", error)


@contextmanager
def open_vocabulary(parts: Parts, terminal: Terminal) -> "Iterator[Vocabulary]":
    """The tokenizer of the chosen model, without its weights: all that reading documents needs."""
    from engine.model import Model
    from engine.vocabulary import Vocabulary

    with Model(_chosen_model(parts, terminal), vocabulary_only=True) as model:
        yield Vocabulary(model)


def _chosen_model(parts: Parts, terminal: Terminal) -> Path:
    def tell(num_done: int, num_total: int) -> None:
        if num_done == num_total:
            terminal.remark(f"Joined the starter model: {num_total / 1e6:,.0f} MB, checksum checked.")

    return choose_model(parts.settings.model, parts.locations, tell)


def _window(context_length: object) -> int:
    return context_length if isinstance(context_length, int) and context_length > 0 else _UNKNOWN_WINDOW


def _num_cells(settings: Settings, context_tokens: int, question_length: int) -> int:
    """KV cells of the longest prompt with its answer, without the scratch cells of redirected tokens."""
    question = max(_MIN_QUESTION_CELLS, question_length // _CHARACTERS_PER_TOKEN)
    return _PREAMBLE_CELLS + context_tokens + question + settings.max_answer_tokens
