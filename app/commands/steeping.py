"""Steeping with a progress bar: what `index` does for all chunks and `ask` for the ones it missed."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from app.prompt_chunks import context_chunks
from app.terminal import Terminal
from app.wiring import Engine
from app.wording import counted
from storage.values import StoredChunk

if TYPE_CHECKING:
    from engine.requests import ContextChunk, SteepDone


def steep_stored(engine: Engine, stored: Sequence[StoredChunk], terminal: Terminal) -> "SteepDone | None":
    """Steep stored chunks; None where there was nothing to do or the model cannot be blended."""
    if not stored or not engine.ready.blendability.possible:
        return None
    chunks = context_chunks(engine.ready.frame, stored)
    fitting = [chunk for chunk in chunks if len(chunk.token_ids) <= engine.longest_chunk]
    if len(fitting) < len(chunks):
        terminal.remark(
            f"{counted(len(chunks) - len(fitting), 'chunk')} of more than {engine.longest_chunk} tokens cannot be "
            "steeped: the documents were cut for another model, or chunk_tokens is too high for this one.",
            style="yellow",
        )
    return steep(engine, fitting, terminal)


def steep(engine: Engine, chunks: "Sequence[ContextChunk]", terminal: Terminal) -> "SteepDone":
    """Steep chunks. Ctrl-C stops within one node of the graph; finished chunks stay."""
    from engine.errors import Cancelled
    from engine.requests import SteepDone, Steeped, SteepRequest

    total, num_done, num_chunks = sum(len(chunk.token_ids) for chunk in chunks), 0, 0
    job = engine.runtime.steep(SteepRequest(tuple(chunks)))
    try:
        with terminal.progress(f"Steeping {counted(len(chunks), 'chunk')}", "tokens") as show:
            for event in job:
                if isinstance(event, SteepDone):
                    return event
                num_done += event.num_tokens
                num_chunks += 1
                show(num_done, total)
    except KeyboardInterrupt:
        job.cancel()
        with suppress(Cancelled):
            num_chunks += sum(isinstance(event, Steeped) for event in job)
        terminal.remark(
            f"Stopped: {num_chunks} of {counted(len(chunks), 'chunk')} are steeped and stay so. "
            "To go on, run it again.",
            style="yellow",
        )
        raise
    raise AssertionError("a steep job ends with its account")
