"""A loaded model, ready to answer and to steep: everything that lives as long as the compute thread. That thread only.

`Session` opens the model, makes the context (a plain one where the model cannot be blended), and opens the shelf of the
fingerprints that both imply. Steeping has a small context of its own on the same weights, made when the first chunk is
steeped: it can be interrupted between two micro-batches, and goes on where it was after a question has used the other.
The gate has one, too, while it measures.

The main context holds one conversation at a time (`engine.conversation`). Before another one, or a question by itself,
takes its place, it is put away on the shelf; when it comes back it is recalled from there and goes on at once.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from engine import bindings, kv_layout, kv_state
from engine.answer import Answering, Means
from engine.architecture import Blendability
from engine.blend import BlendTools
from engine.buffers import pageable
from engine.conversation import Conversation
from engine.errors import DecodeFailed, StateInvalid
from engine.gate import Gate, Steeping, cases_of, cells_for
from engine.kv_layout import Buffer, KvLayout
from engine.kv_size import exact_kv_type
from engine.kv_state import GiveWay
from engine.loader import Loader
from engine.loader_threads import num_loader_threads
from engine.model import ALL_LAYERS, Context, ContextOptions, Model, usable_cores
from engine.owner import Owner
from engine.pinned_memory import pinned
from engine.ports import OpenShelf
from engine.prompt import frame_of
from engine.rates import Speeds
from engine.requests import (
    AnswerDone,
    AnswerEvent,
    AnswerRequest,
    ContextChunk,
    GateDone,
    GateEvent,
    GateRequest,
    Kept,
    Memory,
    Recalled,
    Steeped,
    TurnRequest,
)
from engine.self_check import graph_blendability, key_rotation, model_blendability
from engine.transcript import to_text
from engine.vocabulary import Vocabulary
from storage.values import FingerprintFacts, Miss

_logger = logging.getLogger(__name__)

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
    """Tokens of the longest chunk that can be steeped: the steeping context has room for it and what it is encoded
    behind."""
    num_filler_tokens: int = 0
    """Above 0, a chunk has a second state: see `engine.filler`."""


class Session(Owner):
    """See the module docstring; a context manager, closing twice is harmless."""

    def __init__(self, options: SessionOptions, open_shelf: OpenShelf) -> None:
        started = perf_counter()
        with ExitStack() as stack:
            self.model = stack.enter_context(Model(options.model_path, gpu_layers=options.gpu_layers))
            self.frame = frame_of(self.model, Vocabulary(self.model), options.num_filler_tokens)
            self.blendability, self.context = _context_for(self.model, options.context)
            stack.callback(lambda: self.context.close())
            self._steeping: Context | None = None
            stack.callback(lambda: self._steeping and self._steeping.close())
            self._measuring: Context | None = None
            self._layout = kv_state.learn_layout(self.context) if self.blendability.possible else None
            self.facts = {
                first_position: fingerprint_facts(self.model, options, self.frame.lead(first_position))
                for first_position in self.frame.first_positions
            }
            self._shelf = stack.enter_context(open_shelf(self.facts))
            self._longest_chunk = options.longest_chunk
            self._device = device_name(self.model, options)
            self._speeds = Speeds(self._shelf.rates(self._device))
            self.context.speed = self._speeds.prefill
            self._loader = stack.enter_context(self._new_loader(self._layout)) if self._layout else None
            self._means = self._means_of_answers()
            self._conversation = Conversation(self.context, self._layout, self.frame.preamble)
            self._conversation.restart(None)
            self._unsaid: list[str] = []
            self._stack = stack.pop_all()
        self.load_ms = (perf_counter() - started) * 1e3

    @property
    def memory(self) -> Memory | None:
        """What the context holds of a conversation."""
        return self._conversation.memory

    # --- questions

    def answer(self, request: AnswerRequest, emit: Callable[[AnswerEvent], None]) -> AnswerDone:
        """Answer a question by itself; see `engine.answer`. Afterwards nothing is remembered."""
        started = perf_counter()
        self._put_away()
        self._conversation.restart(None)
        try:
            return self._answered(TurnRequest(request, conversation_id=0, ordinal=0), emit, started)
        finally:
            self._conversation.restart(None)

    def converse(self, request: TurnRequest, emit: Callable[[AnswerEvent], None]) -> AnswerDone:
        """Answer the next turn of a conversation; see `engine.answer`.

        Raises what `answer` does. Then the memory is as it was before this turn, or empty.
        """
        started = perf_counter()
        self._turn_to(request.conversation_id, has_past=request.ordinal > 0)
        return self._answered(request, emit, started)

    def _answered(self, request: TurnRequest, emit: Callable[[AnswerEvent], None], started: float) -> AnswerDone:
        done = Answering(self._means, self._conversation, request, emit, started).run()
        self._keep_rates()
        unsaid, self._unsaid = self._unsaid, []
        return replace(done, notices=(*unsaid, *done.notices))

    def _keep_rates(self) -> None:
        """For later sessions. The answer is worth more than they are, whatever the shelf's disk says."""
        if self._speeds.prefill.line:
            try:
                self._shelf.note_rates(self._device, self._speeds.rates)
            except Exception:  # whatever the shelf's disk raises
                _logger.exception("the rates of this machine were not kept")

    def _means_of_answers(self) -> Means:
        why_exact = f"{self.model.path.name} cannot be blended because {self.blendability.reason}"
        tools = BlendTools(self._layout, self._shelf, self._loader) if self._layout and self._loader else None
        return Means(self.context, self.frame, tools, why_exact)

    def _new_loader(self, layout: KvLayout) -> Loader:
        gpu = bindings.gpu() if self.model.on_gpu else None
        return Loader(layout, self._speeds, num_loader_threads(), pinned(gpu) if gpu else pageable)

    # --- conversations

    def recall(self, conversation_id: int) -> Recalled:
        """Bring a conversation's memory into the context. Where there is none, what the context holds stays."""
        started = perf_counter()
        if not self._holds(conversation_id):
            self._put_away()
            reason = self._recall(conversation_id)
            if not self._holds(conversation_id):
                return Recalled(None, reason, _ms_since(started))
        return Recalled(self._conversation.memory, "", _ms_since(started))

    def keep(self) -> Kept:
        """Put the current conversation's memory away, if it is not on the shelf as it is. The shelf's errors rise, and
        the conversation stays in the context whatever happens."""
        conversation, memory = self._conversation, self._conversation.memory
        if memory is None:
            return Kept(0, "no conversation is remembered")
        if conversation.is_kept:
            return Kept(0, "it is kept already")
        if not self._layout:
            return Kept(0, self._means.why_exact)
        transcript, blob = conversation.transcript, conversation.state()
        state = (transcript.token_ids, blob)
        reason = self._shelf.keep(
            memory.conversation_id, memory.num_turns, to_text(transcript), transcript.chunk_ids, state
        )
        if reason:
            return Kept(0, reason)
        conversation.is_kept = True
        return Kept(len(blob))

    def branch(self, source_id: int, target_id: int, num_turns: int) -> Recalled:
        """Let the memory of a conversation's first turns be that of another one, which is the current one then."""
        if not self._layout:
            return Recalled(None, self._means.why_exact)
        recalled = self.recall(source_id)
        if recalled.memory:
            self._put_away()
            self._conversation.become(target_id, num_turns)
        return replace(recalled, memory=recalled.memory and self._conversation.memory)

    def forget(self, conversation_id: int) -> None:
        """Drop a conversation's memory, here and on the shelf."""
        if self._conversation.id == conversation_id:
            self._conversation.restart(None)
        self._shelf.let_go(conversation_id, "it was to be forgotten")

    def _turn_to(self, conversation_id: int, *, has_past: bool) -> None:
        """Let the context hold a conversation, as far as it can be had."""
        if self._holds(conversation_id):
            return
        conversation = self._conversation
        why_empty = conversation.why_empty if conversation.id == conversation_id else ""
        self._put_away()
        reason = self._why_not_recalled(conversation_id) if has_past else "it is new"
        if not self._holds(conversation_id):
            conversation.restart(conversation_id, why_empty or reason)

    def _holds(self, conversation_id: int) -> bool:
        memory = self._conversation.memory
        return memory is not None and memory.conversation_id == conversation_id

    def _why_not_recalled(self, conversation_id: int) -> str:
        try:
            return self._recall(conversation_id)
        except Exception as error:  # whatever the shelf's disk raises: the answer's notice tells it
            _logger.exception("the memory of conversation %s was not recalled", conversation_id)
            return str(error)

    def _recall(self, conversation_id: int) -> str:
        """Load what was kept of a conversation in place of what the context holds. Returns why not, if not."""
        if not self._layout:
            return self._means.why_exact
        saved = self._shelf.recall(conversation_id)
        if isinstance(saved, Miss):
            return saved.reason
        if saved.state.num_tokens > self._conversation.capacity:
            return f"it has {saved.state.num_tokens} tokens, but the context holds {self._conversation.capacity}"
        try:
            self._conversation.load(conversation_id, saved)
        except (StateInvalid, DecodeFailed) as error:
            self._shelf.let_go(conversation_id, str(error))
            return str(error)
        return ""

    def _put_away(self) -> None:
        """Keep the current conversation before it makes way. It is told with the next answer if that fails: what was
        said is in the index, and can be read again as text."""
        if self._conversation.memory is None or self._conversation.is_kept or not self._layout:
            return
        try:
            reason = self.keep().reason
        except Exception as error:  # whatever the shelf's disk raises
            _logger.exception("the memory of conversation %s was not kept", self._conversation.id)
            reason = str(error)
        if reason:
            self._unsaid.append(f"The memory of the conversation before this one was not kept: {reason}")

    # --- steeping

    def steep(self, chunk: ContextChunk, give_way: GiveWay | None = None, first_position: int | None = None) -> Steeped:
        """Encode and persist a state of one chunk, unless it is there; what it is encoded behind comes first if that is
        not there.

        `give_way`: see `engine.kv_state`; `first_position`: see `SteepRequest`.
        """
        if self._layout is None:
            return Steeped(chunk.chunk_id, len(chunk.token_ids), num_bytes=0)
        first, token_ids = first_position or self.frame.first_positions[0], chunk.token_ids
        if self._shelf.adopt(first, token_ids, chunk.chunk_id):
            return Steeped(chunk.chunk_id, len(token_ids), num_bytes=0)
        lead = self._lead_state(self._layout, first, give_way)
        blob = self._encoded(self._steeping_context(), lead, first, token_ids, give_way)
        self._shelf.put(first, token_ids, blob, chunk.chunk_id)
        return Steeped(chunk.chunk_id, len(token_ids), num_bytes=len(blob))

    def _encoded(
        self, context: Context, lead: Buffer, first_position: int, token_ids: tuple[int, ...], give_way: GiveWay | None
    ) -> bytearray:
        """The state of a chunk behind its lead, checked."""
        assert self._layout is not None, "only a model that can be blended steeps"
        blob = kv_state.encode_chunk(context, lead, first_position, token_ids, give_way)
        kv_layout.check(blob, self._layout, first_position, len(token_ids))
        return blob

    def _lead_state(self, layout: KvLayout, first_position: int, give_way: GiveWay | None) -> Buffer:
        token_ids = self.frame.lead(first_position)
        state = kv_state.fetch(self._shelf, layout, 0, token_ids)
        if state is not None:
            return state.blob
        if token_ids != self.frame.preamble:
            self._lead_state(layout, len(self.frame.preamble), give_way)  # every prompt begins with it
        blob = kv_state.encode_preamble(self._steeping_context(), token_ids, give_way)
        self._shelf.put(0, token_ids, blob, None)
        return blob

    def _steeping_context(self) -> Context:
        if self._steeping is None:
            self._steeping = self._context_behind(
                self.frame.first_positions[0] + self._longest_chunk, self.context.options.kv_type
            )
        return self._steeping

    def _context_behind(self, num_cells: int, kv_type: str) -> Context:
        """One for work that gives way to questions."""
        return Context(
            self.model,
            replace(self.context.options, num_cells=num_cells, kv_type=kv_type, batch_tokens=self._batch_tokens_behind),
        )

    @property
    def _batch_tokens_behind(self) -> int:
        batch_tokens = self.context.options.batch_tokens
        return batch_tokens if self.model.on_gpu else min(batch_tokens, MICRO_BATCH_TOKENS)

    # --- the gate

    def gate(self, request: GateRequest, give_way: GiveWay, emit: Callable[[GateEvent], None]) -> GateDone:
        """Measure this model; see `engine.gate`, and what it raises. Only where the model can be blended."""
        layout, frame = self._layout, self.frame
        assert layout is not None, f"{self._means.why_exact}: it needs no gate"
        cases = cases_of(frame, request, self.model.num_trained_positions)
        num_cells, kv_type = cells_for(cases, frame, self._batch_tokens_behind), self.context.options.kv_type
        is_quantised = exact_kv_type(kv_type) != kv_type
        gate = Gate(frame, cases, request, give_way, emit, is_quantised=is_quantised)
        if is_quantised:
            with self._context_for_measuring(num_cells, exact_kv_type(kv_type)) as context:
                gate.answer_exactly(context)
        with self._context_for_measuring(num_cells, kv_type) as context:
            if not is_quantised:
                gate.answer_exactly(context)
            return gate.measure(context, layout, self._steeping_on(context, give_way))

    def _steeping_on(self, context: Context, give_way: GiveWay) -> Steeping:
        frame = self.frame
        leads = {
            first: kv_state.encode_preamble(context, frame.lead(first), give_way) for first in frame.first_positions
        }

        def encode(first_position: int, token_ids: tuple[int, ...]) -> bytearray:
            return self._encoded(context, leads[first_position], first_position, token_ids, give_way)

        return Steeping(leads[len(frame.preamble)], encode)

    @contextmanager
    def _context_for_measuring(self, num_cells: int, kv_type: str) -> Generator[Context]:
        with self._context_behind(num_cells, kv_type) as context:
            self._measuring = context
            context.key_rotation = self.context.key_rotation and key_rotation(context)
            try:
                yield context
            finally:
                self._measuring = None

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
        behind = (self._steeping, self._measuring)
        return (self.context, *(context for context in behind if context is not None))

    def close(self) -> None:
        self._stack.close()


def _context_for(model: Model, options: ContextOptions) -> tuple[Blendability, Context]:
    verdict = model_blendability(model)
    if verdict.possible:
        context = Context(model, replace(options, blending=True))
        verdict = graph_blendability(context)
        if verdict.possible:
            context.key_rotation = key_rotation(context)
            return verdict, context
        context.close()
    return verdict, Context(model, replace(options, blending=False))


def device_name(model: Model, options: SessionOptions) -> str:
    """What the rates depend on besides the model."""
    num_threads = options.context.num_threads or usable_cores()
    gpu = bindings.gpu() if model.on_gpu else None
    if gpu is None:
        return f"CPU, threads: {num_threads}"
    layers = "all" if options.gpu_layers == ALL_LAYERS else str(options.gpu_layers)
    return f"{bindings.device_description(gpu)}, layers: {layers}, threads: {num_threads}"


def fingerprint_facts(model: Model, options: SessionOptions, lead: tuple[int, ...]) -> FingerprintFacts:
    """Everything that changes the numbers in a chunk state; `lead` is what it was encoded behind."""
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
        "preamble": lead,
        **rope,
    }


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1e3
