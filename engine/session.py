"""A loaded model, ready to answer and to steep: everything that lives as long as the compute thread. That thread only.

`Session` opens the model, makes the context (a plain one where the model cannot be blended), and opens the shelf of the
fingerprint that both imply. Steeping has a small context of its own on the same weights, made when the first chunk is
steeped: it can be interrupted between two micro-batches, and goes on where it was after a question has used the other.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from engine import bindings, kv_layout, kv_state
from engine.answer import Answering, BlendTools
from engine.architecture import Blendability
from engine.kv_layout import KvLayout
from engine.kv_state import GiveWay
from engine.model import ALL_LAYERS, Context, ContextOptions, Model
from engine.owner import Owner
from engine.ports import OpenShelf
from engine.prompt import PromptFrame, frame_of
from engine.requests import AnswerDone, AnswerEvent, AnswerRequest, ContextChunk, Steeped
from engine.self_check import graph_blendability, model_blendability
from engine.vocabulary import Vocabulary
from storage.values import FingerprintFacts

MICRO_BATCH_TOKENS = 64
"""Tokens that are steeped at a time on a CPU: what is lost, at most, when a question interrupts. Sane: 32 to 512."""

STATE_FORMAT = 1
"""Raised when states of an older program must not be used any more, whatever else is equal."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What to load and how large."""

    model_path: Path
    model_identity: str
    """Hash of the model file: the first fact of every fingerprint."""
    context: ContextOptions
    gpu_layers: int = ALL_LAYERS
    longest_chunk: int = 1024
    """Tokens of the longest chunk that can be steeped: the steeping context has room for it and the preamble."""


class Session(Owner):
    """See the module docstring; a context manager, closing twice is harmless."""

    def __init__(self, options: SessionOptions, open_shelf: OpenShelf) -> None:
        started = perf_counter()
        with ExitStack() as stack:
            self.model = stack.enter_context(Model(options.model_path, gpu_layers=options.gpu_layers))
            self.frame = frame_of(self.model, Vocabulary(self.model))
            self.blendability, self.context = _context_for(self.model, options.context)
            stack.callback(lambda: self.context.close())
            self._steeping: Context | None = None
            stack.callback(lambda: self._steeping and self._steeping.close())
            self._layout = kv_state.learn_layout(self.context) if self.blendability.possible else None
            self.facts = fingerprint_facts(self.model, options, self.frame)
            self._shelf = stack.enter_context(open_shelf(self.facts))
            self._longest_chunk = options.longest_chunk
            self._stack = stack.pop_all()
        self.load_ms = (perf_counter() - started) * 1e3

    # --- questions

    def answer(self, request: AnswerRequest, emit: Callable[[AnswerEvent], None]) -> AnswerDone:
        """Answer a question; see `engine.answer`."""
        why_exact = f"{self.model.path.name} cannot be blended because {self.blendability.reason}"
        return Answering(self.context, self.frame, self._tools(), why_exact, request, emit).run()

    def _tools(self) -> BlendTools | None:
        return BlendTools(self._layout, self._shelf) if self._layout else None

    # --- steeping

    def steep(self, chunk: ContextChunk, give_way: GiveWay | None = None) -> Steeped:
        """Encode and persist one chunk, unless its state is there; the preamble's state comes first if it is not.

        `give_way`: see `engine.kv_state`.
        """
        if self._layout is None:
            return Steeped(chunk.chunk_id, len(chunk.token_ids), num_bytes=0)
        position, token_ids = len(self.frame.preamble), chunk.token_ids
        if self._shelf.adopt(position, token_ids, chunk.chunk_id):
            return Steeped(chunk.chunk_id, len(token_ids), num_bytes=0)
        preamble = self._preamble_state(self._layout, give_way)
        blob = kv_state.encode_chunk(self._steeping_context(), preamble, position, token_ids, give_way)
        kv_layout.check(blob, self._layout, position, len(token_ids))
        self._shelf.put(position, token_ids, blob, chunk.chunk_id)
        return Steeped(chunk.chunk_id, len(token_ids), num_bytes=len(blob))

    def _preamble_state(self, layout: KvLayout, give_way: GiveWay | None) -> kv_layout.Buffer:
        token_ids = self.frame.preamble
        state = kv_state.fetch(self._shelf, layout, 0, token_ids)
        if state is not None:
            return state.blob
        blob = kv_state.encode_preamble(self._steeping_context(), token_ids, give_way)
        self._shelf.put(0, token_ids, blob, None)
        return blob

    def _steeping_context(self) -> Context:
        if self._steeping is None:
            options, num_cells = self.context.options, len(self.frame.preamble) + self._longest_chunk
            batch_tokens = options.batch_tokens if self.model.on_gpu else min(options.batch_tokens, MICRO_BATCH_TOKENS)
            self._steeping = Context(self.model, replace(options, num_cells=num_cells, batch_tokens=batch_tokens))
        return self._steeping

    # --- stopping, from any thread

    def cancel(self) -> None:
        """Break off what runs, in either context; what starts later, too, until `allow`."""
        for context in self._contexts():
            context.cancel()

    def allow(self) -> None:
        """Take `cancel` back."""
        for context in self._contexts():
            context.allow()

    def _contexts(self) -> tuple[Context, ...]:
        return (self.context,) if self._steeping is None else (self.context, self._steeping)

    def close(self) -> None:
        self._stack.close()


def _context_for(model: Model, options: ContextOptions) -> tuple[Blendability, Context]:
    verdict = model_blendability(model)
    if verdict.possible:
        context = Context(model, replace(options, blending=True))
        verdict = graph_blendability(context)
        if verdict.possible:
            return verdict, context
        context.close()
    return verdict, Context(model, replace(options, blending=False))


def fingerprint_facts(model: Model, options: SessionOptions, frame: PromptFrame) -> FingerprintFacts:
    """Everything that changes the numbers in a chunk state."""
    architecture = model.header.architecture
    rope = {key: value for key, value in model.metadata.items() if key.startswith(f"{architecture}.rope.")}
    return {
        "state_format": STATE_FORMAT,
        "library": f"llama-cpp-python {bindings.LIBRARY_VERSION}",
        "model": options.model_identity,
        "architecture": architecture,
        "num_layers": model.num_layers,
        "kv_type": options.context.kv_type,
        "flash_attention": True,
        "preamble": frame.preamble,
        **rope,
    }
