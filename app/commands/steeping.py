"""Steeping with a progress bar: what `index` does for all chunks and `ask` for the ones it missed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.budget import Room
from app.prompt_chunks import context_chunks
from app.terminal import Terminal
from app.wiring import Engine, Parts
from app.wording import counted
from storage.values import StoredChunk

if TYPE_CHECKING:
    from engine.requests import ContextChunk


@dataclass(slots=True)
class SteepTally:
    """What a run did so far."""

    num_chunks: int = 0
    """That have their state now, those included that had it already."""
    num_done_tokens: int = 0
    num_encoded_tokens: int = 0
    total_ms: float = 0.0


def steep_stored(parts: Parts, engine: Engine, stored: Sequence[StoredChunk], terminal: Terminal) -> SteepTally:
    """Steep stored chunks, those worth most first, as far as there is room; none where the model cannot be blended."""
    if not stored or not engine.ready.blendability.possible:
        _room(parts).settle()  # the budget may be a smaller one than yesterday
        return SteepTally()
    chunks = context_chunks(engine.ready.frame, stored)
    fitting = [chunk for chunk in chunks if len(chunk.token_ids) <= engine.longest_chunk]
    if len(fitting) < len(chunks):
        terminal.remark(
            f"{counted(len(chunks) - len(fitting), 'chunk')} of more than {engine.longest_chunk} tokens cannot be "
            "steeped: the documents were cut for another model, or chunk_tokens is too high for this one.",
            style="yellow",
        )
    return steep(parts, engine, fitting, terminal)


def steep(parts: Parts, engine: Engine, chunks: "Sequence[ContextChunk]", terminal: Terminal) -> SteepTally:
    """Steep chunks, as far as there is room. Ctrl-C stops within one node of the graph; finished chunks stay."""
    room = _room(parts)
    room.settle()
    total, tally = sum(len(chunk.token_ids) for chunk in chunks), SteepTally()
    try:
        with terminal.progress(f"Steeping {counted(len(chunks), 'chunk')}", "tokens") as show:
            while waiting := chunks[tally.num_chunks :]:
                admitted = room.admit(waiting, engine.fingerprint, len(engine.ready.frame.preamble))
                if not admitted:
                    break
                _steep_admitted(engine, admitted, room, tally, lambda: show(tally.num_done_tokens, total))
    except KeyboardInterrupt:
        terminal.remark(
            f"Stopped: {tally.num_chunks} of {counted(len(chunks), 'chunk')} are steeped and stay so. "
            "To go on, run it again.",
            style="yellow",
        )
        raise
    if num_left := len(chunks) - tally.num_chunks:
        terminal.remark(room.full_notice(num_left), style="yellow")
    return tally


def _room(parts: Parts) -> Room:
    return Room(parts.index, parts.store, parts.settings, parts.locations.states_dir)


def _steep_admitted(
    engine: Engine, chunks: "Sequence[ContextChunk]", room: Room, tally: SteepTally, show: Callable[[], None]
) -> None:
    from engine.errors import Cancelled
    from engine.requests import SteepDone, SteepRequest

    job = engine.runtime.steep(SteepRequest(tuple(chunks)))
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
