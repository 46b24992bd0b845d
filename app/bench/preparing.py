"""Brings about what is measured with: contexts of the sizes asked for, all of whose chunks have their states."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.bench.contexts import BenchContext, cut_contexts, fitting_contexts, own_chunks, tokens_of
from app.bench.measuring import find_state
from app.bench.options import Options
from app.bench.own_states import check_room
from app.commands.steeping import steep
from app.errors import NothingIndexed, WrongUse
from app.terminal import Terminal
from app.wiring import Engine, Parts
from app.wording import counted

if TYPE_CHECKING:
    from engine.requests import ContextChunk


@dataclass(frozen=True, slots=True)
class Preparation:
    """One thread, that of the index."""

    parts: Parts
    """The user's."""
    engine: Engine
    """Its shelf is the store of the states to measure with."""
    options: Options
    terminal: Terminal
    remark: Callable[[str], None]

    def contexts(self, texts: Sequence[str] | None) -> list[BenchContext]:
        """Of these texts, or of the user's documents; the smallest first. Raises `NothingIndexed` and `WrongUse`."""
        sizes = self._possible_sizes()
        if texts is None:
            chunks = self._steeped_chunks(sizes[-1])
            num_tokens, contexts = sum(len(chunk.token_ids) for chunk in chunks), fitting_contexts(chunks, sizes)
        else:
            token_ids = tokens_of(self.engine.ready.frame, texts, sizes[-1])
            num_tokens, contexts = len(token_ids), cut_contexts(token_ids, sizes, self.parts.settings.chunk_tokens)
            self._steep_all(contexts)
        if not contexts:
            raise NothingIndexed("there is no text to measure with: add documents, or name a file of texts: --data")
        if num_tokens < sizes[-1]:
            self.remark(self._too_little(num_tokens, sizes[-1]))
        return contexts

    def _too_little(self, num_tokens: int, wanted: int) -> str:
        whose = f"{self.options.data} has" if self.options.data else "the documents have"
        more = "" if self.options.data else " --data FILE brings more."
        return (
            f"For {wanted:,} tokens there is not enough text, and none is used twice: {whose} "
            f"{counted(num_tokens, 'token')} to measure with.{more}"
        )

    def _possible_sizes(self) -> list[int]:
        """Those asked for, and in place of those that are too large the largest that the model can hold."""
        engine, frame = self.engine, self.engine.ready.frame
        num_others = len(frame.preamble) + len(frame.question(self.options.question))
        room = engine.window - num_others - self.parts.settings.max_answer_tokens
        if room < 1:
            raise WrongUse(f"the question leaves no room for documents in the {engine.window:,} tokens of the model")
        if self.options.sizes[-1] > room:
            self.remark(f"{engine.ready.model_name} can hold {room:,} context tokens: larger sizes are cut to that.")
        return sorted({min(size, room) for size in self.options.sizes})

    def _steeped_chunks(self, num_tokens: int) -> "list[ContextChunk]":
        """Chunks of the user's documents that have their states; those that had none are steeped now."""
        engine = self.engine
        chunks = own_chunks(
            self.parts.index, engine.ready.frame, self.options.question, engine.longest_chunk, num_tokens
        )

        def has_state(chunk: "ContextChunk") -> bool:
            return all(find_state(self.parts.store, engine, first, chunk.token_ids) for first in engine.fingerprints)

        if missing := [chunk for chunk in chunks if not has_state(chunk)]:
            steep(self.parts, engine, missing, self.terminal)
        return [chunk for chunk in chunks if has_state(chunk)]

    def _steep_all(self, contexts: Sequence[BenchContext]) -> None:
        """Into the store of the measurement, which is empty and has no budget but the disk."""
        from engine.gguf_header import read_header
        from engine.kv_size import kv_bytes_per_token
        from engine.requests import SteepDone, SteepRequest

        chunks = tuple(dict.fromkeys(chunk for context in contexts for chunk in context.chunks))
        fingerprints = self.engine.fingerprints
        num_done, num_tokens = 0, len(fingerprints) * sum(len(chunk.token_ids) for chunk in chunks)
        header = read_header(self.engine.model_path)
        check_room(self.parts, num_tokens * kv_bytes_per_token(header, self.parts.settings.kv_type))
        with self.terminal.progress(f"Steeping {counted(len(chunks), 'chunk')}", "tokens") as show:
            for first_position in fingerprints:
                for event in self.engine.runtime.steep(SteepRequest(chunks, first_position)):
                    if not isinstance(event, SteepDone):
                        num_done += event.num_tokens
                        show(num_done, num_tokens)
