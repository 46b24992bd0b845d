"""Stored chunks → the engine's chunks: the text that stands in the prompt, as tokens. Pure, besides the tokenizer.

A chunk's prompt text is made of the document's own words only (its text, under its heading if it does not begin with
it). File names stay out, so that renaming a document leaves its chunk states valid.
"""

from collections.abc import Iterable, Sequence

from app.errors import NothingFits
from engine.prompt import PromptFrame
from engine.requests import ContextChunk
from storage.values import ChunkText, Hit, StoredChunk


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


def fitting_chunks(frame: PromptFrame, hits: Sequence[Hit], context_tokens: int) -> tuple[ContextChunk, ...]:
    """Tokenize hits, best last; the first ones go while all together take more than `context_tokens`.

    Retrieval counts with the tokenizer that the documents were cut with, which another model's may differ from.
    Raises `NothingFits`.
    """
    chunks = context_chunks(frame, (hit.chunk for hit in hits))
    num_tokens = sum(len(chunk.token_ids) for chunk in chunks)
    while num_tokens > context_tokens:
        num_tokens -= len(chunks[0].token_ids)
        chunks = chunks[1:]
    if not chunks:
        raise NothingFits(
            f"no passage fits into the {context_tokens:,} tokens that are left for documents. Raise context_tokens, "
            "or lower chunk_tokens in the config file and run `steep index`."
        )
    return chunks
