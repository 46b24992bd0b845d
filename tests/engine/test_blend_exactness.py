"""The technique is right: proved on the real 0.5B model, on whatever device the library was built for.

All prompts here fit one batch, so that a full prefill is one graph; noise is what cutting that prefill into two batches
changes, which no reader of the answer would call an error.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from engine import bindings, kv_state, redirect
from engine.bindings import TokenRun
from engine.model import Context
from engine.session import Session
from tests.engine.conftest import open_session
from tests.fakes import MemoryShelf

pytestmark = pytest.mark.model

PASSAGES = (
    (
        "The ferry to Grindlow leaves at seven in the morning. Its captain is Odile Marsh, who bought the ship in 1998 "
        "from her uncle. The crossing takes forty minutes when the sea is calm."
    ),
    (
        "Odile Marsh keeps two cats on board. The older one is called Biscuit and sleeps on the chart table. Nobody "
        "may feed the cats, because Biscuit once fell ill from a herring pie."
    ),
    (
        "The harbour of Grindlow has three piers. The ferry lands at the middle pier. A bakery next to it sells "
        "herring pies and closes when the last ferry has left."
    ),
)
OTHER_PASSAGE = (
    "In the northern provinces wheat is sown in October and cut in July. The mills turn day and night then, and the "
    "price of flour falls by a third before the first frost comes back over the hills and the roads close again."
)
QUESTION = "Who sleeps on the chart table of the ferry?"
NUM_FORCED = 6
"""Answer tokens compared: KL is averaged over them, the same tokens forced everywhere."""

Logits = npt.NDArray[np.float32]


class Prompt:
    """The test's prompt in one session, and ways to get it into the cache."""

    def __init__(self, session: Session) -> None:
        self.session, self.context = session, session.context
        self.preamble = session.frame.preamble
        self.chunks = [session.frame.chunk(text) for text in PASSAGES]
        self.tokens = [token for chunk in self.chunks for token in chunk]
        self.question = session.frame.question(QUESTION)
        self.end = len(self.preamble) + len(self.tokens)
        assert self.end + len(self.question) <= self.context.options.batch_tokens
        self.preamble_state = kv_state.encode_preamble(self.context, self.preamble)

    def state_of(self, token_ids: Sequence[int]) -> bytearray:
        return kv_state.encode_chunk(self.context, self.preamble_state, len(self.preamble), token_ids)

    def merge(self, chunks: Sequence[Sequence[int]]) -> None:
        """Fill the cache with chunk states, each shifted to its place."""
        states = [self.state_of(chunk) for chunk in chunks]
        self.context.clear()
        kv_state.load(self.context, self.preamble_state, Context.SEQUENCE)
        shift = 0
        for state, chunk in zip(states, chunks, strict=True):
            kv_state.merge(self.context, state, shift)
            shift += len(chunk)
        kv_state.assert_cells_in_order(self.context, self.end)

    def poison(self) -> None:
        """Fill the cache with states of other tokens, of the same lengths."""
        other = self.session.frame.chunk(OTHER_PASSAGE) * 2
        self.merge([other[: len(chunk)] for chunk in self.chunks])

    def prefill_context(self) -> None:
        """Fill the cache with the true rows."""
        self.context.clear()
        self.context.prefill(self.preamble, 0)
        self.context.prefill(self.tokens, len(self.preamble))

    def recompute_all(self) -> Logits:
        return self.recompute(np.arange(len(self.preamble), self.end, dtype=np.int32))

    def recompute(self, positions: npt.NDArray[np.int32]) -> Logits:
        """In the order in which a blend does it, with the question."""
        positions = redirect.late_first(positions)
        token_ids = [self.tokens[p - len(self.preamble)] for p in positions]
        question = TokenRun(self.question, self.end, Context.SEQUENCE, want_logits=True)
        redirect.redirected_decode(self.context, token_ids, positions, [question])
        return self.context.logits()

    def full_prefill(self, split: int | None = None) -> Logits:
        self.context.clear()
        everything = [*self.preamble, *self.tokens, *self.question]
        if split:
            self.context.prefill(everything[:split], 0)
        self.context.prefill(everything[split or 0 :], split or 0, want_logits=True)
        return self.context.logits()

    def forced(self, first: Logits, answer: Sequence[int]) -> list[Logits]:
        """The logits along a given answer, whatever the model would have said."""
        logits, position = [first], self.end + len(self.question)
        for i, token_id in enumerate(answer[:-1]):
            self.context.decode([TokenRun([token_id], position + i, Context.SEQUENCE, want_logits=True)])
            logits.append(self.context.logits())
        return logits


@pytest.fixture(scope="module")
def prompt(shared_session: Session) -> Prompt:
    return Prompt(shared_session)


@pytest.fixture(scope="module")
def reference(prompt: Prompt) -> tuple[list[int], list[Logits]]:
    """The greedy answer of a full prefill, and its logits."""
    logits, answer, all_logits = prompt.full_prefill(), [], []
    for i in range(NUM_FORCED):
        all_logits.append(logits)
        answer.append(int(logits.argmax()))
        run = TokenRun([answer[-1]], prompt.end + len(prompt.question) + i, Context.SEQUENCE, want_logits=True)
        prompt.context.decode([run])
        logits = prompt.context.logits()
    return answer, all_logits


@pytest.fixture(scope="module")
def noise(prompt: Prompt, reference: tuple[list[int], list[Logits]]) -> float:
    """Mean KL that cutting the full prefill into two batches can cause: the largest of three places to cut."""
    answer, logits = reference
    cuts = [len(prompt.preamble), prompt.end // 3, prompt.end]
    return max(mean_kl(logits, prompt.forced(prompt.full_prefill(cut), answer)) for cut in cuts)


def mean_kl(reference: Sequence[Logits], other: Sequence[Logits]) -> float:
    return float(np.mean([kl(p, q) for p, q in zip(reference, other, strict=True)]))


def kl(p: Logits, q: Logits) -> float:
    log_p, log_q = log_softmax(p), log_softmax(q)
    return float((np.exp(log_p) * (log_p - log_q)).sum())


def log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def test_recomputing_all_forgets_what_the_cache_held_before_bit_for_bit(prompt: Prompt) -> None:
    prompt.prefill_context()
    true = prompt.recompute_all()
    prompt.poison()
    poisoned = prompt.recompute_all()
    prompt.merge(prompt.chunks)
    stale = prompt.recompute_all()
    assert np.array_equal(poisoned, true)
    assert np.array_equal(stale, true)


def test_recomputing_all_in_slices_is_as_good_as_at_once(
    prompt: Prompt, reference: tuple[list[int], list[Logits]], noise: float
) -> None:
    prompt.poison()
    positions = np.arange(len(prompt.preamble), prompt.end, dtype=np.int32)
    for piece in np.array_split(positions[:-20], 3):
        piece = redirect.late_first(piece)
        tokens = [prompt.tokens[p - len(prompt.preamble)] for p in piece]
        redirect.redirected_decode(prompt.context, tokens, piece)
    answer, logits = reference
    assert mean_kl(logits, prompt.forced(prompt.recompute(positions[-20:]), answer)) <= 3 * noise


def test_recomputing_all_differs_from_a_full_prefill_by_no_more_than_batching_does(
    prompt: Prompt, reference: tuple[list[int], list[Logits]], noise: float
) -> None:
    answer, logits = reference
    prompt.poison()
    difference = mean_kl(logits, prompt.forced(prompt.recompute_all(), answer))
    print(f"\nrecompute-all KL {difference:.2e}, batching noise {noise:.2e}")  # noqa: T201 - figures, shown with -s
    assert difference <= 3 * noise


def test_plain_reuse_differs_from_a_full_prefill_far_beyond_noise(
    prompt: Prompt, reference: tuple[list[int], list[Logits]], noise: float
) -> None:
    answer, logits = reference
    prompt.merge(prompt.chunks)
    difference = mean_kl(logits, prompt.forced(prompt.recompute(np.zeros(0, np.int32)), answer))
    print(f"\nplain reuse KL {difference:.2e}, batching noise {noise:.2e}")  # noqa: T201 - figures, shown with -s
    assert difference > 10 * noise


def test_a_poisoned_cache_without_recompute_is_worse_than_plain_reuse(
    prompt: Prompt, reference: tuple[list[int], list[Logits]]
) -> None:
    answer, logits = reference
    nothing = np.zeros(0, np.int32)
    prompt.merge(prompt.chunks)
    reuse = mean_kl(logits, prompt.forced(prompt.recompute(nothing), answer))
    prompt.poison()
    assert mean_kl(logits, prompt.forced(prompt.recompute(nothing), answer)) > reuse


def test_a_shift_by_zero_and_a_merge_reproduce_the_encoded_state(prompt: Prompt) -> None:
    state = prompt.state_of(prompt.chunks[0])
    prompt.context.clear()
    kv_state.load(prompt.context, prompt.preamble_state, Context.SEQUENCE)
    kv_state.merge(prompt.context, state, shift=0)
    prompt.context.forget(Context.SEQUENCE, 0, len(prompt.preamble))
    assert bindings.get_sequence_state(prompt.context.handle, Context.SEQUENCE) == state


def test_encoding_the_same_chunk_twice_gives_the_same_bytes(prompt: Prompt) -> None:
    assert prompt.state_of(prompt.chunks[1]) == prompt.state_of(prompt.chunks[1])


@pytest.fixture(scope="module")
def quantised_prompt(starter_model) -> Iterator[Prompt]:
    with open_session(starter_model, MemoryShelf(), kv_type="q8_0") as session:
        yield Prompt(session)


def test_recomputing_all_is_bit_exact_with_quantised_rows_too(quantised_prompt: Prompt) -> None:
    quantised_prompt.prefill_context()
    true = quantised_prompt.recompute_all()
    quantised_prompt.poison()
    assert np.array_equal(quantised_prompt.recompute_all(), true)
