"""Chunk states begin to load while a question is still being typed: those that it would ask for as it stands.

Only a guess: it says nothing, writes nothing and counts as no use, and where it fails or memory is scarce, nothing
happens. Passages are found by words alone, as the embedding model belongs to the assistant's thread.

Four states that were on a (fast) disk only are read and checked 0.3 s later in 6 instead of 24 ms, where they have 6 MB
each, and in 70 instead of 149 ms, where they have 64 MB.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.assistant.lookup import Lookup
from app.assistant.question import Asked
from app.search.question_words import search_terms

if TYPE_CHECKING:
    from app.wiring import Engine, Parts
    from storage.state_file import StateFile

_MIN_TERMS = 2
"""One word finds something in most documents, and the next one turns the order upside down."""

_MEMORY_FACTOR = 2
"""Times the bytes of the files must be available: an answer holds their rows beside what the system holds of them."""

_logger = logging.getLogger(__name__)


class Prefetch:
    """One guess at a time, on the threads of `Lookup`; the newest text replaces what still waits."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._drafts: deque[Asked] = deque(maxlen=1)
        self._engine_in_use = threading.Lock()  # held by who uses or replaces the engine
        self._engine: Engine | None = None

    def want(self, draft: Asked) -> None:
        """Guess what the question in the making will need, once there is an engine. Any thread; does not block."""
        self._drafts.append(draft)
        self._look_when_free()

    def give_up(self) -> None:
        """The question was asked: what still waits comes too late. Any thread."""
        self._drafts.clear()

    def use(self, engine: "Engine | None") -> None:
        """Guess for this engine from now on. When this returns, nothing uses the one before, which may be closed: it
        blocks as long as one retrieval takes."""
        with self._engine_in_use:
            self._engine = engine
        self._look_when_free()

    def _look_when_free(self) -> None:
        if self._engine is not None and self._drafts:
            self._lookup.run_when_free(self._look)

    def _look(self, parts: "Parts") -> None:
        with self._engine_in_use:
            if self._engine is None:  # the draft waits for the next one
                return
            try:
                draft = self._drafts.pop()
            except IndexError:  # given up
                return
            files = likely_states(draft, parts, self._engine)
        warm(files)


def likely_states(draft: Asked, parts: "Parts", engine: "Engine") -> "list[StateFile]":
    """The states on disk of the chunks that the question would get if it were asked now, `context_tokens` at most.

    None where they would not be loaded. Raises what the question would raise.
    """
    from app.assistant.passages import passages_for, turns_before
    from app.gate.verdicts import course_of
    from app.shelf import StoreShelf

    is_blended = course_of(parts, engine).mode == "blend" and engine.ready.blendability.possible
    if not is_blended or len(search_terms(draft.text)) < _MIN_TERMS:
        return []
    earlier, frame = turns_before(parts.index, draft), engine.ready.frame
    found = passages_for(draft, earlier, parts, engine, None)
    shelf = StoreShelf(parts.store, engine.fingerprints, parts.index, parts.settings, parts.locations)
    wanted = frame.states_of((chunk.token_ids for chunk in found.chunks), at_front=not earlier)
    states = (shelf.find(first_position, token_ids) for first_position, token_ids in wanted)
    return [state for state in states if state]


def warm(files: "Sequence[StateFile]") -> None:
    """Ask the system to load them, the last of the prompt first as from a slow disk; not while memory is scarce."""
    import psutil  # 11 ms

    num_bytes = sum(file.num_bytes for file in files)
    if psutil.virtual_memory().available < _MEMORY_FACTOR * num_bytes:
        _logger.debug("Too little memory to load %d bytes of chunk states ahead", num_bytes)
        return
    for file in reversed(files):
        file.warm()
