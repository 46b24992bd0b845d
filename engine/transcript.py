"""What the cache holds of one conversation, token by token, and what each token is. Pure.

Token *i* of a transcript is position *i* of the main sequence and sits in cell *i* of the cache (`engine.conversation`
keeps it so). Turns follow each other:

    preamble · chunk … · question · answer · opening · chunk … · question · answer · opening · …

The first turn has no opening: its documents follow the preamble. A turn that was read again as text is one `history`
segment behind its opening. Segments are never split, and their turns ascend, so the turns before any turn are a prefix;
what leaves to make room are whole chunks and whole turns, of which the chunks may stay.

As text (kept beside the state, which holds the tokens) a transcript is one JSON object:

    {"version": 1, "segments": [[kind, tokens, turn, chunk id or null, weight], …], "turns": [digest, …],
     "pending": [token id, …]}
"""

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Any, cast

from engine.errors import StateInvalid
from engine.requests import PastTurn

_VERSION = 1

_DIGEST_BYTES = 8
"""64 bits: turns are compared with the same place of the same conversation, not searched for."""

_BEFORE_ALL_TURNS = -1


class Kind(StrEnum):
    """What the tokens of a segment are."""

    PREAMBLE = "preamble"
    HISTORY = "history"
    """A past turn read again as text."""
    OPENING = "opening"
    """What stands between an answer and the documents or the question of the next turn."""
    CHUNK = "chunk"
    QUESTION = "question"
    """With the opening of its answer."""
    ANSWER = "answer"


_SPOKEN = frozenset({Kind.HISTORY, Kind.QUESTION, Kind.ANSWER})


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens that came together and leave together."""

    kind: Kind
    token_ids: tuple[int, ...]
    turn: int = _BEFORE_ALL_TURNS
    """The turn that it came with."""
    chunk_id: int | None = None
    weight: float = 0.0
    """Of a chunk: how much questions attended to it, the older ones counting less."""

    def __post_init__(self) -> None:
        if not self.token_ids:
            raise ValueError(f"a segment ({self.kind}) has no tokens")
        if (self.chunk_id is None) == (self.kind is Kind.CHUNK):
            raise ValueError(f"a segment ({self.kind}) has the chunk id {self.chunk_id}")
        if (self.turn == _BEFORE_ALL_TURNS) != (self.kind is Kind.PREAMBLE) or self.turn < _BEFORE_ALL_TURNS:
            raise ValueError(f"a segment ({self.kind}) cannot be of turn {self.turn}")
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"a segment's weight must be finite and at least 0, got {self.weight}")


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens `[first, end)` of a transcript."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """See the module. Empty: not even the preamble is in the cache."""

    segments: tuple[Segment, ...] = ()
    turns: tuple[str, ...] = ()
    """A digest of every turn that was held, question and answer, even if its segments have left since."""
    pending: tuple[int, ...] = ()
    """The end of the last answer that is not in the cache: sampled, but not computed yet."""

    @property
    def num_tokens(self) -> int:
        return sum(len(segment.token_ids) for segment in self.segments)

    @property
    def num_turns(self) -> int:
        return len(self.turns)

    @property
    def token_ids(self) -> tuple[int, ...]:
        return tuple(token_id for segment in self.segments for token_id in segment.token_ids)

    @property
    def is_spoken(self) -> bool:
        """Whether a question or an answer is in it, so that what comes next needs an opening."""
        return any(segment.kind in _SPOKEN for segment in self.segments)

    @property
    def chunks(self) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if segment.kind is Kind.CHUNK)

    @property
    def chunk_ids(self) -> tuple[int, ...]:
        return tuple(chunk.chunk_id for chunk in self.chunks if chunk.chunk_id is not None)

    def placed(self) -> Iterator[tuple[Segment, Run]]:
        """Every segment with its place."""
        first = 0
        for segment in self.segments:
            yield segment, Run(first, first := first + len(segment.token_ids))

    def extended(self, *segments: Segment) -> "Transcript":
        """With more tokens in the cache; whatever was pending must be among them."""
        return replace(self, segments=self.segments + segments, pending=())

    def num_agreeing(self, past: Sequence[PastTurn]) -> int:
        """How many turns from the first on are those of `past`, word for word."""
        for number, (turn, digest) in enumerate(zip(past, self.turns, strict=False)):
            if turn_digest(turn.question, turn.answer) != digest:
                return number
        return min(len(past), len(self.turns))

    def truncated(self, num_turns: int) -> "Transcript":
        """The turns before turn `num_turns`: a prefix."""
        if num_turns >= self.num_turns:
            return self
        segments = tuple(segment for segment in self.segments if segment.turn < num_turns)
        return Transcript(segments, self.turns[:num_turns])

    def without(self, leaving: Collection[int]) -> "Transcript":
        """What is left when some segments (by index) leave."""
        last = self.num_turns - 1
        answer_leaves = any(self.segments[i].turn == last and self.segments[i].kind in _SPOKEN for i in leaving)
        left = tuple(segment for i, segment in enumerate(self.segments) if i not in leaving)
        return replace(self, segments=left, pending=() if answer_leaves else self.pending)

    def runs_behind(self, leaving: Collection[int]) -> list[Run]:
        """The runs that have to move up when some segments leave: those that stay behind the first of these."""
        runs: list[Run] = []
        for i, (_, run) in enumerate(self.placed()):
            if i in leaving or not any(gone < i for gone in leaving):
                continue
            if runs and runs[-1].end == run.first:
                runs[-1] = Run(runs[-1].first, run.end)
            else:
                runs.append(run)
        return runs


def turn_digest(question: str, answer: str) -> str:
    """The same for the same words, whatever white space is around and between them."""
    words = [" ".join(text.split()) for text in (question, answer)]
    return blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


# --- making room


def leaving(
    transcript: Transcript, fits: Callable[[Transcript], bool], wanted: Collection[tuple[int, ...]]
) -> frozenset[int] | None:
    """Which segments leave so that what is left `fits`; None if that cannot be.

    First chunks, the least attended ones first (among equals the older), but none whose tokens are `wanted`; then the
    questions and answers of whole turns, the oldest first. The preamble stays.
    """
    gone: set[int] = set()
    if fits(transcript):
        return frozenset()
    for group in (*_unwanted_chunks(transcript, wanted), *_spoken_turns(transcript)):
        gone |= group
        if fits(transcript.without(gone)):
            return frozenset(gone)
    return None


def _unwanted_chunks(transcript: Transcript, wanted: Collection[tuple[int, ...]]) -> list[set[int]]:
    segments = transcript.segments
    chunks = [i for i, s in enumerate(segments) if s.kind is Kind.CHUNK and s.token_ids not in wanted]
    return [{i} for i in sorted(chunks, key=lambda i: segments[i].weight)]


def _spoken_turns(transcript: Transcript) -> list[set[int]]:
    """Per turn: its question and answer, and the opening behind them, which leads on from that answer."""
    segments = transcript.segments
    turns = sorted({segment.turn for segment in segments if segment.kind in _SPOKEN})
    groups = {turn: {i for i, s in enumerate(segments) if s.kind in _SPOKEN and s.turn == turn} for turn in turns}
    for i, segment in enumerate(segments):
        if segment.kind is Kind.OPENING:
            groups[max(turn for turn in turns if turn < segment.turn)].add(i)
    return list(groups.values())


# --- as text


def to_text(transcript: Transcript) -> str:
    """The text that `from_text` takes back, with the tokens beside it."""
    segments = [[s.kind, len(s.token_ids), s.turn, s.chunk_id, s.weight] for s in transcript.segments]
    return json.dumps(
        {"version": _VERSION, "segments": segments, "turns": transcript.turns, "pending": transcript.pending},
        separators=(",", ":"),
    )


def from_text(text: str, token_ids: tuple[int, ...]) -> Transcript:
    """The transcript of a state of `token_ids`. Raises `StateInvalid` for anything that could not be one."""
    try:
        return _from_object(json.loads(text), token_ids)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise StateInvalid(f"the conversation's transcript does not fit its state: {error!r}") from error


def _from_object(value: Any, token_ids: tuple[int, ...]) -> Transcript:
    if value["version"] != _VERSION:
        raise ValueError(f"version {value['version']!r}, expected {_VERSION}")
    segments = tuple(_segments(value["segments"], token_ids))
    turns = tuple(_text(digest) for digest in _list(value["turns"]))
    pending = tuple(_number(token_id) for token_id in _list(value["pending"]))
    _check_order(segments, len(turns))
    return Transcript(segments, turns, pending)


def _segments(values: Any, token_ids: tuple[int, ...]) -> Iterator[Segment]:
    first = 0
    for kind, num_tokens, turn, chunk_id, weight in _list(values):
        end = first + _number(num_tokens)
        chunk = None if chunk_id is None else _number(chunk_id)
        turn = _BEFORE_ALL_TURNS if turn == _BEFORE_ALL_TURNS else _number(turn)
        yield Segment(Kind(kind), token_ids[first:end], turn, chunk, float(weight))
        first = end
    if first != len(token_ids):
        raise ValueError(f"segments of {first} tokens for a state of {len(token_ids)}")


def _check_order(segments: Sequence[Segment], num_turns: int) -> None:
    numbers = [segment.turn for segment in segments]
    if numbers != sorted(numbers) or numbers[:2].count(_BEFORE_ALL_TURNS) != 1 or max(numbers) >= num_turns:
        raise ValueError(f"segments of turns {numbers} in a conversation of {num_turns}")
    first_spoken = min((s.turn for s in segments if s.kind in _SPOKEN), default=num_turns)
    if any(s.kind is Kind.OPENING and s.turn <= first_spoken for s in segments):
        raise ValueError("an opening without an answer before it")


def _list(value: Any) -> Iterable[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return cast("list[Any]", value)


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of anything")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
