"""Steeping with a progress bar: what `index` does for all chunks and `ask` for the ones it missed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.budget import Room
from app.prompt_chunks import context_chunks
from app.terminal import Terminal
from app.wiring import Engine, Parts
from app.wording import counted

if TYPE_CHECKING:
    from engine.requests import ContextChunk, SteepRequest


@dataclass(slots=True)
class SteepTally:
    """What a run did so far."""

    num_chunks: int = 0
    """That have a state now, those included that had it already."""
    num_done_tokens: int = 0
    num_encoded_tokens: int = 0
    total_ms: float = 0.0

    def add_work(self, other: "SteepTally") -> None:
        """What was done for the same chunks again."""
        self.num_encoded_tokens += other.num_encoded_tokens
        self.total_ms += other.total_ms


def steep_waiting(parts: Parts, engine: Engine, terminal: Terminal) -> SteepTally:
    """Steep every chunk that has no state, those worth most first, as far as there is room; then those that have none
    for the first place of a prompt. None where the model cannot be blended."""
    room = _room(parts, engine)
    room.settle()  # the budget may be a smaller one than yesterday
    if not engine.ready.blendability.possible:
        return SteepTally()
    tally = SteepTally()
    for place in _places(engine):
        stored = parts.index.chunks_without_state(engine.fingerprints[place.first_position])
        chunks = context_chunks(engine.ready.frame, stored)
        fitting = [chunk for chunk in chunks if len(chunk.token_ids) <= engine.longest_chunk]
        if len(fitting) < len(chunks) and place.is_any:
            terminal.remark(
                f"{counted(len(chunks) - len(fitting), 'chunk')} of more than {engine.longest_chunk} tokens cannot be "
                "steeped: the documents were cut for another model, or chunk_tokens is too high for this one.",
                style="yellow",
            )
        done = _steep_for(place, room, engine, fitting, terminal) if fitting else SteepTally()
        tally.num_chunks += done.num_chunks if place.is_any else 0
        tally.add_work(done)
    return tally


def steep(parts: Parts, engine: Engine, chunks: "Sequence[ContextChunk]", terminal: Terminal) -> None:
    """Steep chunks for all places, as far as there is room. Ctrl-C stops within one node of the graph; finished states
    stay."""
    room = _room(parts, engine)
    room.settle()
    for place in _places(engine):
        _steep_for(place, room, engine, chunks, terminal)


class _Place(NamedTuple):
    """Where states are to be used, and begin."""

    first_position: int
    is_any: bool

    @property
    def words(self) -> str:
        return "" if self.is_any else " for the first place"


def _places(engine: Engine) -> Iterator[_Place]:
    for number, first_position in enumerate(engine.fingerprints):
        yield _Place(first_position, is_any=not number)


def _steep_for(
    place: _Place, room: Room, engine: Engine, chunks: "Sequence[ContextChunk]", terminal: Terminal
) -> SteepTally:
    from engine.requests import SteepRequest

    total, tally = sum(len(chunk.token_ids) for chunk in chunks), SteepTally()
    fingerprint = engine.fingerprints[place.first_position]
    try:
        with terminal.progress(f"Steeping {counted(len(chunks), 'chunk')}{place.words}", "tokens") as show:
            while waiting := chunks[tally.num_chunks :]:
                admitted = room.admit(waiting, fingerprint, place.first_position)
                if not admitted:
                    break
                request = SteepRequest(admitted, place.first_position)
                _steep_admitted(engine, request, room, tally, lambda: show(tally.num_done_tokens, total))
    except KeyboardInterrupt:
        terminal.remark(
            f"Stopped: {tally.num_chunks} of {counted(len(chunks), 'chunk')} are steeped{place.words} and stay so. "
            "To go on, run it again.",
            style="yellow",
        )
        raise
    if (num_left := len(chunks) - tally.num_chunks) and place.is_any:
        terminal.remark(room.full_notice(num_left), style="yellow")
    return tally


def _room(parts: Parts, engine: Engine) -> Room:
    return Room(parts.index, parts.store, parts.settings, parts.locations.states_dir, engine.all_fingerprints)


def _steep_admitted(
    engine: Engine, request: "SteepRequest", room: Room, tally: SteepTally, show: Callable[[], None]
) -> None:
    from engine.errors import Cancelled
    from engine.requests import SteepDone

    job = engine.runtime.steep(request)
    try:
        for event in job:
            if isinstance(event, SteepDone):
                tally.num_encoded_tokens += event.num_encoded_tokens
                tally.total_ms += event.total_ms
                return
            tally.num_chunks += 1
            tally.num_done_tokens += event.num_tokens
            room.settle()
            show()
    except KeyboardInterrupt:
        job.cancel()
        with suppress(Cancelled):
            tally.num_chunks += sum(not isinstance(event, SteepDone) for event in job)
        raise
    raise AssertionError("a steep job ends with its account")
