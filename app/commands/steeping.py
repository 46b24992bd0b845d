"""Steeping with a progress bar: what `index` does for all chunks and `ask` for the ones it missed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.prompt_chunks import context_chunks
from app.terminal import Terminal
from app.wiring import Engine
from storage.values import StoredChunk

if TYPE_CHECKING:
    from engine.requests import ContextChunk, SteepDone


def steep_stored(engine: Engine, stored: Sequence[StoredChunk], terminal: Terminal) -> "SteepDone | None":
    """Steep stored chunks; None where there was nothing to do or the model cannot be blended."""
    if not stored or not engine.ready.blendability.possible:
        return None
    return steep(engine, context_chunks(engine.ready.frame, stored), terminal)


def steep(engine: Engine, chunks: "Sequence[ContextChunk]", terminal: Terminal) -> "SteepDone":
    """Steep chunks. Ctrl-C stops within one node of the graph; finished chunks stay."""
    from engine.errors import Cancelled
    from engine.requests import SteepDone, Steeped, SteepRequest

    total, num_done, num_chunks = sum(len(chunk.token_ids) for chunk in chunks), 0, 0
    job = engine.runtime.steep(SteepRequest(tuple(chunks)))
    try:
        with terminal.progress(f"Steeping {len(chunks)} chunks", total, "tokens") as show:
            for event in job:
                if isinstance(event, Steeped):
                    num_done += event.num_tokens
                    num_chunks += 1
                    show(num_done)
                else:
                    assert isinstance(event, SteepDone)
                    return event
    except KeyboardInterrupt:
        job.cancel()
        try:
            for _ in job:
                num_chunks += 1
        except Cancelled:
            pass
        terminal.remark(f"Stopped. {num_chunks} of {len(chunks)} chunks are steeped and stay; run it again to go on.")
        raise
    raise AssertionError("a steep job ends with its account")
