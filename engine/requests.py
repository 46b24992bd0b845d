"""What one can ask of the engine, and what it answers: frozen values, safe to hand between threads."""

from dataclasses import dataclass, field
from enum import StrEnum

from engine.selection import DEFAULT_STRATEGY, STRATEGIES
from storage.values import BlendQuality, QualityBar


class Mode(StrEnum):
    """How the context of a question gets into the cache."""

    BLEND = "blend"
    """Chunk states are loaded and selectively recomputed."""
    EXACT = "exact"
    """Everything is computed: the yardstick."""


class Loading(StrEnum):
    """What is done with the chunks that have a state."""

    AUTO = "auto"
    """Whatever gives the first token soonest: loaded, or computed while others are loaded."""
    ALL = "all"
    """All of them are loaded: for measurements."""


@dataclass(frozen=True, slots=True)
class ContextChunk:
    """A chunk as the engine sees it: its tokens, and the caller's number for it."""

    chunk_id: int
    token_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.token_ids:
            raise ValueError(f"chunk {self.chunk_id} has no tokens")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is picked; a temperature of 0 always takes the most probable one."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """A question over chunks, in prompt order."""

    question: str
    chunks: tuple[ContextChunk, ...]
    mode: Mode = Mode.BLEND
    ratio: float = 0.15
    """Recomputed tokens / context tokens."""
    strategy: str = DEFAULT_STRATEGY
    loading: Loading = Loading.AUTO
    sampling: Sampling = Sampling()
    max_answer_tokens: int = 256
    instructions: str = ""
    """The user's own wishes for the answer; they stand behind the question."""

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"ratio must lie between 0 and 1, got {self.ratio}")
        if self.strategy not in STRATEGIES:
            raise ValueError(f"unknown strategy {self.strategy!r}; known are {', '.join(STRATEGIES)}")
        if self.max_answer_tokens < 1:
            raise ValueError(f"max_answer_tokens must be at least 1, got {self.max_answer_tokens}")


@dataclass(frozen=True, slots=True)
class SteepRequest:
    """Chunks to encode and to persist; those that have the state are skipped."""

    chunks: tuple[ContextChunk, ...]
    first_position: int | None = None
    """Where the states begin: one of `PromptFrame.first_positions`; None: its first one, of states for any place."""


GATE_RATIOS = (0.05, 0.10, 0.15, 0.20, 0.30, 0.50)
"""What a model is tried at, ascending: from where blends are worth their while to where they cost half a prefill."""

GATE_BAR = QualityBar(max_kl=0.10, min_agreement=0.90)
"""Up to a mean KL of .10 the answers' F1 stays within its own noise of that of a full prefill (50 questions over ten
passages each, ratios of 5 to 50 %); nine of ten tokens are the same there. Sane: .05 to .2, .8 to .95."""

GATE_CONTEXT_TOKENS = 1536
"""Blends are harder the longer the context: at 5 % a 0.5B model has a KL of .09 over 500 tokens (and would pass), but
of .15 over 1,536, about what it has over real passages of 2,400. Sane: near the context that questions get, 1,000 to
4,000; the exact answers take most of the time, 12 minutes for that model on one core."""


@dataclass(frozen=True, slots=True)
class GateQuestion:
    """A question and the passages that it is asked over, as text; each passage is one chunk."""

    text: str
    passages: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.passages) < 2:
            raise ValueError(f"a first chunk is exact as it is, so a question needs two, got {len(self.passages)}")


@dataclass(frozen=True, slots=True)
class GateRequest:
    """Find the smallest ratio at which blended answers are as good as exact ones."""

    questions: tuple[GateQuestion, ...]
    strategy: str = DEFAULT_STRATEGY
    context_tokens: int = GATE_CONTEXT_TOKENS
    """Passages of other questions are added to a question's own, up to so many."""
    ratios: tuple[float, ...] = GATE_RATIOS
    bar: QualityBar = GATE_BAR

    def __post_init__(self) -> None:
        if not self.questions or not self.ratios:
            raise ValueError("a gate needs a question and a ratio at least")
        if any(not 0 <= ratio <= 1 for ratio in self.ratios) or list(self.ratios) != sorted(set(self.ratios)):
            raise ValueError(f"ratios must ascend within 0 and 1, got {self.ratios}")
        if self.bar.max_kl < 0 or self.bar.min_agreement > 1:
            raise ValueError(f"nothing can reach {self.bar}")
        if self.strategy not in STRATEGIES:
            raise ValueError(f"unknown strategy {self.strategy!r}; known are {', '.join(STRATEGIES)}")


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Progress: so many of the prompt's tokens are in the cache."""

    num_done: int
    num_total: int


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The next piece of the answer: whole characters."""

    text: str


@dataclass(frozen=True, slots=True)
class ChunkUse:
    """What became of one chunk: its tokens by origin (they add up), and what the question made of it."""

    chunk_id: int
    num_tokens: int
    num_loaded: int = 0
    num_recomputed: int = 0
    num_computed: int = 0
    attention: float | None = None
    """Share of the question's attention on all chunks; None where it was not measured."""
    num_kept: int = 0
    """Tokens that were in the conversation's memory already."""
    token_attention: tuple[float, ...] = ()
    """The question's attention on each of its tokens, in order; they add up to `attention`. Empty: not measured."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Milliseconds per stage; `first_token_ms` counts from the request's arrival at the engine thread."""

    load_ms: float = 0.0
    """Reading, checking and merging chunk states."""
    score_ms: float = 0.0
    recompute_ms: float = 0.0
    """Everything computed of the prompt: missing chunks, selected tokens, the question."""
    first_token_ms: float = 0.0
    total_ms: float = 0.0
    tokens_per_s: float = 0.0
    """Decoding speed after the first token."""
    cold_first_token_ms: float | None = None
    """What the first token would have taken if the whole prompt had been computed, at the speed that this session has
    seen; None before it has seen enough."""


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The end of an answer, with its account."""

    text: str
    mode: Mode
    uses: tuple[ChunkUse, ...]
    times: StageTimes
    num_loaded_bytes: int = 0
    num_answer_tokens: int = 0
    notices: tuple[str, ...] = ()
    """What the user should know, e.g. why an answer was exact where blending was asked for."""
    missing: tuple[ContextChunk, ...] = field(default=())
    """Chunks that had no usable state: to be steeped when there is time."""
    stopped: bool = False
    """The answer was broken off on request; its text is what there was of it."""
    memory: "Memory | None" = None
    """What the conversation's memory holds now; None outside of conversations."""
    dropped_chunk_ids: tuple[int, ...] = ()
    """Chunks that left the conversation's memory to make room."""
    num_history_tokens: int = 0
    """Tokens of earlier turns that had to be read again, because their memory was lost or another model's."""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A question and its answer, as text: what is read again where the memory of it is lost."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """The next turn of a conversation: `ask.chunks` are those found for it, in prompt order.

    Those that the memory holds already stay where they are. Whatever the memory holds of turn `ordinal` and later is
    forgotten first: so a question is asked again, or another in its place.
    """

    ask: AnswerRequest
    conversation_id: int
    ordinal: int
    past: tuple[PastTurn, ...] = ()
    """Turns 0 to `ordinal` - 1."""

    def __post_init__(self) -> None:
        if len(self.past) != self.ordinal:
            raise ValueError(f"turn {self.ordinal} needs as many past turns, got {len(self.past)}")


@dataclass(frozen=True, slots=True)
class Memory:
    """What the model's memory of a conversation holds: tokens in the cache."""

    conversation_id: int
    num_turns: int
    num_tokens: int
    capacity: int
    """Tokens that fit."""
    num_bytes: int
    """Of all rows; 0 where the model's rows have no known layout."""
    chunk_ids: tuple[int, ...] = ()
    """Chunks that are in it, in prompt order."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """The end of a request to recall a conversation: its memory, or why there is none."""

    memory: Memory | None
    reason: str = ""
    read_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """The end of a request to put the conversation's memory away: bytes written, or why nothing was."""

    num_bytes: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Steeped:
    """One chunk of a `SteepRequest` is done; `num_bytes` is 0 if it had a state already."""

    chunk_id: int
    num_tokens: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class SteepDone:
    """The end of a `SteepRequest`."""

    num_chunks: int
    num_encoded_tokens: int
    total_ms: float


@dataclass(frozen=True, slots=True)
class GateProgress:
    """So much of a gate's work is done, in tokens that are computed; what is left shrinks when a ratio is left early or
    is good enough."""

    num_done: int
    num_total: int


@dataclass(frozen=True, slots=True)
class GateTrial:
    """One question of a gate was answered at one ratio; means over the positions of its answer."""

    question: int
    """Its number, from 0."""
    ratio: float
    kl: float
    agreement: float


@dataclass(frozen=True, slots=True)
class GateDone:
    """The end of a `GateRequest`: the smallest ratio that reached the bar, or None, and all that were tried."""

    ratio: float | None
    tried: tuple[BlendQuality, ...]
    num_questions: int
    """That were to be asked at each ratio: those that the model's window has room for."""
    total_ms: float


AnswerEvent = Prefilled | AnswerText | AnswerDone
SteepEvent = Steeped | SteepDone
GateEvent = GateProgress | GateTrial | GateDone
