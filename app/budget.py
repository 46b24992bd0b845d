"""How much of the disk states may take, all models together, and who gives room when it is full.

One rule for all: what is worth least per byte goes (`storage.eviction`), chunk states and memories of conversations
alike; both can be computed again from text that stays. Preambles and what pinned documents use never go. Nothing goes
without a line in the log.

A corpus larger than the budget is the usual case. Chunks come to be steeped in the order of their worth, so the store
fills with what is worth most; from then on a chunk gets room only from states that are worth clearly less, and where
there are none, steeping stops. A chunk's second state, for the first place of a prompt (`engine.filler`), gets only
what room is left, and goes before any other. What counts is what the files take, whether the index lists them or not:
the folder is looked through at the beginning and now and then, what the index says of sizes is corrected, and rows
whose files are gone are forgotten. For files that no row lists nothing is evicted, but nothing is added either; a chunk
that finds its state among them takes no room.

Two processes may make room at once, and evict a little more than was needed.
"""

import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import Settings
from app.wording import counted, size
from storage.content_key import state_key
from storage.eviction import GAIN, Eviction, Speeds, evictions, least_worth, worth
from storage.index import Index
from storage.store import StateStore
from storage.usage import correct, measure
from storage.values import KeptState, StateKey

if TYPE_CHECKING:
    from engine.requests import ContextChunk

_BYTES_PER_GB = 1e9
_FREE_SHARE = 0.1
_MOST_GB = 50
"""Without a setting: a tenth of what is free, or would be without the states; more than this would surprise people."""

_MEASURE_SECONDS = 600.0
"""Between two looks through the folder, which takes two seconds for 100,000 files."""

_FIRST_LOOK = 512
"""States to choose from at first; where they do not suffice, four times as many."""

_LAST_LOOK = 1 << 15

_ABOUT_EQUAL = 1.1
"""By so much the cost per byte of a model's states differs, for the beginnings of their files."""

_NUM_SAMPLES = 64
"""States, the longest of which tells the size of the next one: K and V take the same for every token."""

_NUM_FRAME_BYTES = 4096
"""Of a file beside K and V, at most, for 1,000 tokens."""


def budget_bytes(settings: Settings, states_dir: Path, num_used_bytes: int) -> int:
    """Bytes that all states together may take."""
    if settings.budget_gb:
        return int(settings.budget_gb * _BYTES_PER_GB)
    free = shutil.disk_usage(_existing(states_dir)).free + num_used_bytes
    return int(min(free * _FREE_SHARE, _MOST_GB * _BYTES_PER_GB))


def used_bytes(index: Index) -> int:
    """What all states on record take."""
    return sum(index.state_bytes().values())


class Room:
    """The room for states, as one thread sees it: that of its Index. See the module."""

    def __init__(
        self, index: Index, store: StateStore, settings: Settings, states_dir: Path, fingerprints: Sequence[str] = ()
    ) -> None:
        """`fingerprints`: of the model that is used; its states take the same per token."""
        self._index, self._store, self._settings, self._states_dir = index, store, settings, states_dir
        self._fingerprints = fingerprints
        self._unlisted: dict[Path, int] = {}
        self._measured_at = -math.inf

    @property
    def num_used_bytes(self) -> int:
        return used_bytes(self._index) + sum(self._unlisted.values())

    @property
    def num_budget_bytes(self) -> int:
        return budget_bytes(self._settings, self._states_dir, self.num_used_bytes)

    def admit(
        self, chunks: "Sequence[ContextChunk]", fingerprint: str, first_position: int
    ) -> "tuple[ContextChunk, ...]":
        """The first of the chunks for whose states there is room, or was made: what is worth clearly less went.

        Chunks come in the order of their worth. As many as fit; where room has to be made, a few at a time. None of
        them: there is no room for the first one, and `full_notice` says why.
        """
        self._measure_now_and_then()
        num_free = self.num_budget_bytes - self.num_used_bytes
        samples = self._samples(fingerprint)
        if not samples:
            return tuple(chunks[:1])  # its size tells that of the others
        admitted: list[ContextChunk] = []
        for chunk in chunks:
            key = state_key(fingerprint, first_position, chunk.token_ids)
            num_bytes = self._num_new_bytes(key, len(chunk.token_ids), samples)
            if num_bytes > num_free:
                if admitted:
                    break
                num_free += self._make_room_for(chunk.chunk_id, key, len(chunk.token_ids), num_bytes, num_free)
            if num_bytes > num_free:
                break
            num_free -= num_bytes
            admitted.append(chunk)
        return tuple(admitted)

    def settle(self) -> None:
        """Evict what is too much, after something was added: its size is known only then, and others add as well."""
        num_used, budget = used_bytes(self._index), self.num_budget_bytes
        chosen = _chosen(self._index, num_used - budget)
        evict(self._store, chosen, f"states took more than the budget of {size(budget)}")

    def full_notice(self, num_waiting: int) -> str:
        """Why nothing more is steeped, a sentence, and what to do about it."""
        budget, num_immovable = self.num_budget_bytes, self._index.immovable_bytes()
        stays = "of what is worth as much"
        if num_immovable > budget / 2:
            stays = f"of what never goes (pinned documents, preambles: {size(num_immovable)}) or is worth as much"
        elif self._unlisted:
            stays += f" and of files that the index does not list ({size(sum(self._unlisted.values()))}: steep gc)"
        return (
            f"The budget of {size(budget)} is full {stays}: {counted(num_waiting, 'chunk')} will be computed only when "
            "asked for; raise budget_gb or remove folders."
        )

    def _make_room_for(self, chunk_id: int, key: StateKey, num_tokens: int, num_bytes: int, num_free_bytes: int) -> int:
        """Evict what is worth clearly less than a chunk's state, if that is enough; returns the bytes that it freed."""
        if key.fingerprint in self._index.expendable_fingerprints():
            return 0
        now, num_wanted = int(time.time()), num_bytes - num_free_bytes
        recency, is_pinned = self._index.recencies([chunk_id]).get(chunk_id, (0, False))
        newcomer = KeptState(key, "chunk", num_bytes, num_tokens, min(recency, now), 0)
        below = math.inf if is_pinned else worth(newcomer, now, speeds_of(self._index)) / GAIN
        chosen = _chosen(self._index, num_wanted, below)
        if sum(each.state.num_bytes for each in chosen) < num_wanted:
            return 0
        return evict(self._store, chosen, "a chunk that is worth more gets its room")

    def _samples(self, fingerprint: str) -> list[tuple[int, int]]:
        """Tokens and bytes of some states of a fingerprint, or else of another one of the model."""
        each = (self._index.some_sizes(name, _NUM_SAMPLES) for name in (fingerprint, *self._fingerprints))
        return next(filter(None, each), [])

    def _num_new_bytes(self, key: StateKey, num_tokens: int, samples: Sequence[tuple[int, int]]) -> int:
        """What a state will take at most; 0 where its file is there."""
        if self._store.contains(key):
            self._unlisted.pop(self._store.path_of(key), None)
            return 0
        num_sample_tokens, num_sample_bytes = max(samples)
        return math.ceil(num_sample_bytes * num_tokens / num_sample_tokens) + _NUM_FRAME_BYTES

    def _measure_now_and_then(self) -> None:
        if time.monotonic() - self._measured_at < _MEASURE_SECONDS:
            return
        self._measured_at = time.monotonic()
        usage = measure(self._index, self._states_dir)
        correct(self._index, self._store, usage)
        self._unlisted = dict(usage.unlisted)


def make_room(index: Index, store: StateStore, budget: int, memory: KeptState, conversation_id: int) -> str:
    """Let what is worth no more make way for a conversation's memory; returns why that is not enough, or nothing.

    What the conversation has already counts as room: it will be replaced. Where there is no room nothing goes.
    """
    own, num_own_bytes = _own_memory(index, conversation_id)
    num_bytes = used_bytes(index) + memory.num_bytes - num_own_bytes - budget
    limit = math.nextafter(worth(memory, int(time.time()), speeds_of(index)), math.inf)
    chosen = _chosen(index, num_bytes, limit, but_not=own)
    if sum(each.state.num_bytes for each in chosen) < num_bytes:
        return f"it takes {size(memory.num_bytes)}, and states may take {size(budget)} of the disk (budget_gb)"
    evict(store, chosen, f"a conversation gets its room, within the budget of {size(budget)}")
    return ""


def speeds_of(index: Index) -> Speeds:
    """Of the models; what is expendable counts as computed in no time."""
    return index.model_speeds() | dict.fromkeys(index.expendable_fingerprints(), math.inf)


def evict(store: StateStore, chosen: Sequence[Eviction], occasion: str) -> int:
    """Remove states; returns the bytes that are free now."""
    return store.evict({each.state.key: f"{occasion}; {each.reason}" for each in chosen})


def _own_memory(index: Index, conversation_id: int) -> tuple[StateKey | None, int]:
    """The state that only this conversation has, and what will be free when it is replaced."""
    before = index.remembered(conversation_id)
    if before is None or len(index.owners([before.key]).get(before.key, ())) > 1:
        return None, 0
    return before.key, dict(index.remembered_conversations()).get(conversation_id, 0)


def _chosen(
    index: Index, num_bytes: int, below: float = math.inf, but_not: StateKey | None = None
) -> Sequence[Eviction]:
    """What goes to free so many bytes, of what is worth less than `below`; it may be less than that.

    Looks at those that were used longest ago, and at more of them until no other one can be worth less.
    """
    if num_bytes <= 0:
        return ()
    now, speeds, limit = int(time.time()), speeds_of(index), _FIRST_LOOK
    while True:
        states = index.coldest_states(limit)
        chosen = evictions((state for state in states if state.key != but_not), num_bytes, now, speeds, below)
        if len(states) < limit or limit >= _LAST_LOOK:
            return chosen
        is_enough = sum(each.state.num_bytes for each in chosen) >= num_bytes
        wanted = chosen[-1].worth / _ABOUT_EQUAL if is_enough else below
        if least_worth(states, states[-1].last_used_at, now, speeds) >= wanted:
            return chosen
        limit *= 4


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
