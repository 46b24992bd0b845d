"""Stored chunks → the engine's chunks: the text that stands in the prompt, as tokens. Pure, besides the tokenizer.

A chunk's prompt text is made of the document's own words only (its text, under its heading if it does not begin with
it). File names stay out, so that renaming a document leaves its chunk states valid.
"""

from collections.abc import Iterable

from engine.prompt import PromptFrame
from engine.requests import ContextChunk
from storage.values import ChunkText, StoredChunk


def prompt_text(chunk: ChunkText) -> str:
    """The text of a chunk with its heading's last part above it, unless the text shows that itself."""
    if not chunk.heading:
        return chunk.text
    heading = chunk.heading.rsplit(" > ", 1)[-1]
    first_line = chunk.text.lstrip().split("\n", 1)[0]
    return chunk.text if heading in first_line else f"{chunk.heading}\n{chunk.text}"


def context_chunks(frame: PromptFrame, stored: Iterable[StoredChunk]) -> tuple[ContextChunk, ...]:
    """Tokenize chunks for the engine; about 1 ms per 512 tokens."""
    return tuple(ContextChunk(chunk.id, frame.chunk(prompt_text(chunk.chunk))) for chunk in stored)
