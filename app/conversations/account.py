"""The account of one answer: its sources, where its tokens came from, where its milliseconds went; values ↔ JSON. Pure.

The same object is printed by `steep ask --json`, kept with every turn of a conversation, and shown in the app. Reading
takes what an older program wrote: a figure that is not there is 0 or unknown. Anything that is no such object raises
ValueError, naming what was expected.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.citation import Quote
from app.gate.account import GateAccount


@dataclass(frozen=True, slots=True)
class Heat:
    """Characters [start, end) of the document's extracted text that the question attended to; level 1 (warm) to 9."""

    start: int
    end: int
    level: int


@dataclass(frozen=True, slots=True)
class Source:
    """One passage behind an answer: its place, what supports the answer, and its tokens by origin (they add up)."""

    chunk_id: int
    path: Path
    page: int | None
    heading: str | None
    start: int
    end: int
    quote: Quote | None
    score: float
    attention: float | None
    """Share of the question's attention on all passages; None where it was not measured."""
    num_tokens: int
    num_kept: int = 0
    """In the conversation's memory already."""
    num_loaded: int = 0
    num_recomputed: int = 0
    num_computed: int = 0
    heat: tuple[Heat, ...] = ()

    def as_object(self, *, of_conversation: bool) -> dict[str, object]:
        quote = self.quote
        kept: dict[str, object] = {}
        if of_conversation:
            heat = [[heat.start, heat.end, heat.level] for heat in self.heat]
            kept = {"kept": self.num_kept, "chunk": self.chunk_id, "heat": heat}
        return {
            "path": str(self.path),
            "page": self.page,
            "heading": self.heading,
            "start": self.start,
            "end": self.end,
            "quote": quote and {"start": quote.start, "end": quote.end, "text": quote.text},
            "score": round(self.score, 4),
            "attention": None if self.attention is None else round(self.attention, 4),
            "tokens": self.num_tokens,
            "loaded": self.num_loaded,
            "recomputed": self.num_recomputed,
            "computed": self.num_computed,
            **kept,
        }


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds per stage; the first token counts from the question's arrival."""

    retrieve_ms: float = 0.0
    load_ms: float = 0.0
    score_ms: float = 0.0
    recompute_ms: float = 0.0
    ttft_ms: float = 0.0
    total_ms: float = 0.0
    tokens_per_s: float = 0.0
    model_load_ms: float = 0.0
    cold_ttft_ms: float | None = None
    """What the first token would have taken with nothing remembered, about; None: not known yet."""


@dataclass(frozen=True, slots=True)
class MemoryFill:
    """How full the conversation's memory was behind the answer, in tokens."""

    num_tokens: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Account:
    """See the module. `sources` are those used most first."""

    mode: str
    """`blend` or `exact`."""
    model: str
    sources: tuple[Source, ...] = ()
    timing: Timing = Timing()
    num_loaded_bytes: int = 0
    num_answer_tokens: int = 0
    notices: tuple[str, ...] = ()
    stopped: bool = False
    """The answer was broken off on request."""
    num_history_tokens: int = 0
    """Tokens of earlier turns that had to be read again."""
    memory: MemoryFill | None = None
    gate: GateAccount | None = None
    """None: an older program answered."""

    @property
    def num_context_tokens(self) -> int:
        return sum(source.num_tokens for source in self.sources)

    @property
    def num_kept(self) -> int:
        return sum(source.num_kept for source in self.sources)

    @property
    def num_loaded(self) -> int:
        return sum(source.num_loaded for source in self.sources)

    @property
    def num_recomputed(self) -> int:
        return sum(source.num_recomputed for source in self.sources)

    @property
    def num_computed(self) -> int:
        return sum(source.num_computed for source in self.sources)

    @property
    def times_sooner(self) -> float | None:
        """How many times sooner the first token came than cold; None where that is not known."""
        timing = self.timing
        return timing.cold_ttft_ms / timing.ttft_ms if timing.cold_ttft_ms and timing.ttft_ms else None

    def as_object(self) -> dict[str, object]:
        """What `from_object` takes back, but for rounding; outside of conversations without what only they have."""
        memory, timing = self.memory, self.timing
        kept: dict[str, object] = {}
        if memory:
            kept = {
                "kept_tokens": self.num_kept,
                "history_tokens": self.num_history_tokens,
                "memory_tokens": memory.num_tokens,
                "memory_capacity": memory.capacity,
            }
        return {
            "mode": self.mode,
            "model": self.model,
            "sources": [source.as_object(of_conversation=memory is not None) for source in self.sources],
            "kv": {
                "context_tokens": self.num_context_tokens,
                "loaded_tokens": self.num_loaded,
                "recomputed_tokens": self.num_recomputed,
                "computed_tokens": self.num_computed,
                "loaded_bytes": self.num_loaded_bytes,
                **kept,
            },
            "timing": {
                "retrieve_ms": round(timing.retrieve_ms, 3),
                "load_ms": round(timing.load_ms, 3),
                "score_ms": round(timing.score_ms, 3),
                "recompute_ms": round(timing.recompute_ms, 3),
                "ttft_ms": round(timing.ttft_ms, 3),
                "total_ms": round(timing.total_ms, 3),
                "tokens_per_s": round(timing.tokens_per_s, 3),
                "model_load_ms": round(timing.model_load_ms, 3),
                "cold_ttft_ms": None if timing.cold_ttft_ms is None else round(timing.cold_ttft_ms, 3),
            },
            "answer_tokens": self.num_answer_tokens,
            "notices": list(self.notices),
            **({"gate": self.gate.as_object()} if self.gate else {}),
            **({"stopped": True} if self.stopped else {}),
        }

    def as_json(self) -> str:
        return json.dumps(self.as_object(), ensure_ascii=True, separators=(",", ":"))


def from_json(text: str) -> Account:
    """The account in a turn's JSON; raises ValueError."""
    return from_object(json.loads(text))


def from_object(value: Any) -> Account:
    """The inverse of `Account.as_object`; raises ValueError."""
    try:
        return _account(value)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no account of an answer: {error!r}") from error


def _account(value: Mapping[str, Any]) -> Account:
    kv = value["kv"]
    tokens, capacity = kv.get("memory_tokens"), kv.get("memory_capacity")
    return Account(
        mode=str(value["mode"]),
        model=str(value["model"]),
        sources=tuple(_source(source) for source in value["sources"]),
        timing=_timing(value["timing"]),
        num_loaded_bytes=int(kv.get("loaded_bytes", 0)),
        num_answer_tokens=int(value.get("answer_tokens", 0)),
        notices=tuple(str(notice) for notice in value.get("notices", ())),
        stopped=bool(value.get("stopped", False)),
        num_history_tokens=int(kv.get("history_tokens", 0)),
        memory=None if tokens is None or capacity is None else MemoryFill(int(tokens), int(capacity)),
        gate=GateAccount.from_object(value["gate"]) if value.get("gate") else None,
    )


def _timing(value: Mapping[str, Any]) -> Timing:
    names = Timing.__dataclass_fields__
    return Timing(**{name: float(figure) for name, figure in value.items() if name in names and figure is not None})


def _source(value: Mapping[str, Any]) -> Source:
    quote = value.get("quote")
    return Source(
        chunk_id=int(value.get("chunk", 0)),
        path=Path(value["path"]),
        page=value.get("page"),
        heading=value.get("heading"),
        start=int(value["start"]),
        end=int(value["end"]),
        quote=Quote(int(quote["start"]), int(quote["end"]), str(quote["text"])) if quote else None,
        score=float(value.get("score", 0.0)),
        attention=None if value.get("attention") is None else float(value["attention"]),
        num_tokens=int(value["tokens"]),
        num_kept=int(value.get("kept", 0)),
        num_loaded=int(value.get("loaded", 0)),
        num_recomputed=int(value.get("recomputed", 0)),
        num_computed=int(value.get("computed", 0)),
        heat=tuple(Heat(int(start), int(end), int(level)) for start, end, level in value.get("heat", ())),
    )
