"""One question's stale context, on which treatments are tried: laid out afresh for each, every piece of work counted.

What is the same for all treatments is done once: the chunk states, the merged context, one pass of the question over
it (all layers' queries are kept, so that any attention can be calculated from them), the exact rows of layers 0 and 1.
A treatment asks for what it wants to know, and is charged as if it had measured that itself.

Work is counted in equivalent tokens: tokens × the share of the layers that are computed for them.

    question attention    question tokens × (last scored layer + 1) / layers; deeper layers later: only the difference
    a draft               its tokens, and the question through the layers that are left
    deviation             tokens × 2 / layers; it leaves layers 0 and 1 of these tokens exact
    recompute             tokens × layers computed / layers

The question's own pass, which every way of answering has to make, is free. Indices count the tokens of the chunks; the
first chunk, which is exact, is no candidate. Owner thread of the context only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
import numpy.typing as npt

from engine import attention_trace, bindings, kv_state, redirect
from engine.attention_trace import QueryRecorder
from engine.bindings import FloatArray, IntArray, TokenRun
from engine.cache_rows import CacheRows, Rows, rows_of_state
from engine.kv_layout import Buffer, KvLayout
from engine.model import Context
from engine.redirect import GraphPass, MaskBias, Tap, Watch
from engine.selection import unseen_tokens
from engine.vocabulary import Vocabulary

BoolArray = npt.NDArray[np.bool_]

SHALLOW_LAYERS = (0, 1)
"""What a pass that stops at layer 1's rows makes exact."""

MAX_DRAFTED = 8
"""Tokens of an answer that are drafted at most."""

_TRACED_TOKENS = 64
"""Of how many recomputed tokens the attention is measured, at most: it is a sum over many, a sample shows it."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its context, as tokens."""

    question: tuple[int, ...]
    chunks: tuple[tuple[int, ...], ...]
    documents: tuple[int, ...]
    """Of each chunk, the document it is cut from; chunks of one document follow each other."""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateKind:
    """What chunks are encoded behind, besides the preamble."""

    num_filler_tokens: int = 0
    """Tokens of some other text."""
    filler_start: int = 0
    """Where in that text they begin."""
    num_preceding_tokens: int = 0
    """Tokens of the same document that stand before the chunk, at most."""
    even_first: bool = False
    """The first chunk, too, whose plain state is exact where it stands."""


PLAIN = StateKind()


@dataclass(slots=True)
class Laid:
    """A merged, stale context, and what was measured over it."""

    order: tuple[int, ...]
    tokens: IntArray
    chunk_of: IntArray
    """Which chunk in prompt order a token is in, (tokens,)."""
    offset_in_chunk: IntArray
    candidates: BoolArray
    blob: bytearray
    stale: Rows
    """Rows from position 0 on, views into the blob."""
    queries: dict[int, dict[int, FloatArray]]
    """Of the question, by layer, where it sees every so many-th token; 1: all of them."""
    attention: dict[tuple[int, int], FloatArray] = field(default_factory=dict[tuple[int, int], FloatArray])
    """By the same, and by layer: (question tokens, context tokens), summed over heads."""
    shallow: Rows | None = None
    """Exact rows of layers 0 and 1."""
    draft: dict[int, FloatArray] | None = None
    """Queries of the answer's tokens as the stale context would have it, like `queries`."""


class Specimen:
    """See the module docstring. `begin` first, then the treatment's calls."""

    def __init__(
        self,
        context: Context,
        layout: KvLayout,
        rows: CacheRows,
        preamble: tuple[int, ...],
        case: Case,
        filler: tuple[int, ...] = (),
    ) -> None:
        """`filler`: text that has nothing to do with the question, for states that are encoded behind some."""
        self.context, self.layout, self.rows, self.case = context, layout, rows, case
        self.num_layers, self.first = layout.num_layers, len(preamble)
        self.order: tuple[int, ...] = tuple(range(len(case.chunks)))
        self.exact_rows: Rows | None = None
        """Rows of a full prefill of the same prompt, where somebody took them."""
        self.exact_queries: dict[int, FloatArray] = {}
        self._preamble, self._filler = preamble, filler
        self._states: dict[StateKind, list[tuple[Buffer, int]]] = {}
        self._laid: dict[tuple[tuple[int, ...], tuple[StateKind, ...]], Laid] = {}
        self.laid = self._lay(self.order, PLAIN)
        self.begin(0)

    # --- what is there

    @property
    def num_tokens(self) -> int:
        """Tokens of all chunks that are laid."""
        return len(self.laid.tokens)

    @property
    def end(self) -> int:
        """The position of the question's first token."""
        return self.first + self.num_tokens

    @property
    def full_tokens(self) -> int:
        """Tokens of all chunks of the case: the work of a full prefill."""
        return sum(map(len, self.case.chunks))

    def token_ids(self, order: Sequence[int]) -> list[int]:
        return [token_id for i in order for token_id in self.case.chunks[i]]

    # --- laying out

    def begin(self, budget: float) -> None:
        """Everything stale again; the treatment may spend `budget` equivalent tokens."""
        self.budget, self.work, self.recompute_ms = budget, 0.0, 0.0
        self.recomputed: BoolArray = np.zeros(0, np.bool_)
        self.mask_bias: MaskBias | None = None
        self._num_scored_layers = self._num_drafted = 0
        self.lay(self.order, PLAIN)

    def lay(self, order: Sequence[int], *kinds: StateKind) -> None:
        """Put chunks into the cache, in this order, from states of this kind; free of charge, to be done first.

        Several kinds: rows that are the mean of each chunk's states.
        """
        assert not self.work, "chunks are laid before anything is measured"
        self.laid = self._lay(tuple(order), *kinds)
        self.recomputed = np.zeros(self.num_tokens, np.bool_)
        self._reload()

    def keep_chunks(self, places: Sequence[int]) -> None:
        """Lay only the chunks at these places, anew, with what was done so far still charged."""
        work, self.work = self.work, 0.0
        self.lay([self.laid.order[place] for place in places], PLAIN)
        self.work, self._num_scored_layers = work, 0

    def offline_deviation(self, kind: StateKind) -> FloatArray:
        """How far each token's V rows are from those of another state of its chunk, over all layers: (tokens,)."""
        other, total = self._lay(self.order, kind), np.zeros(self.num_tokens, np.float32)
        for mine, others in zip(self.laid.stale.v, other.stale.v, strict=True):
            difference = self.rows.values(mine[self.first :]) - self.rows.values(others[self.first :])
            total += np.square(difference).sum(axis=1)
        self._reload()
        return total

    def _lay(self, order: tuple[int, ...], *kinds: StateKind) -> Laid:
        key = (order, kinds)
        if key not in self._laid:
            self._laid[key] = self._merged(order, kinds[0]) if len(kinds) == 1 else self._mean(order, kinds)
        return self._laid[key]

    def _mean(self, order: tuple[int, ...], kinds: tuple[StateKind, ...]) -> Laid:
        laid = [self._lay(order, kind) for kind in kinds]
        end = self.first + len(laid[0].tokens)
        blob = laid[0].blob.copy()
        stale = rows_of_state(blob, self.layout, end)
        for side, of_each in ((stale.k, [each.stale.k for each in laid]), (stale.v, [each.stale.v for each in laid])):
            for layer, rows in enumerate(side):
                rows[:] = self.rows.bytes_of(np.mean([self.rows.values(each[layer]) for each in of_each], axis=0))
        self.context.clear()
        kv_state.load(self.context, blob, self.context.SEQUENCE)
        queries = self._question_queries(end, range(self.num_layers))
        return replace(laid[0], blob=blob, stale=stale, queries={1: queries}, attention={}, shallow=None, draft=None)

    def _merged(self, order: tuple[int, ...], kind: StateKind) -> Laid:
        context, chunks = self.context, [self.case.chunks[i] for i in order]
        kinds = [kind if place or kind.even_first else PLAIN for place in range(len(order))]
        states = [self._states_of(each)[i] for i, each in zip(order, kinds, strict=True)]
        preamble = self._preamble_state()
        context.clear()
        kv_state.load(context, preamble, context.SEQUENCE)
        end = self.first
        for (blob, encoded_at), chunk in zip(states, chunks, strict=True):
            kv_state.merge(context, blob, end - encoded_at)
            end += len(chunk)
        kv_state.assert_cells_in_order(context, end)
        # This decode also turns the keys that were moved.
        queries = self._question_queries(end, range(self.num_layers))
        blob = bindings.get_sequence_state(context.handle, context.SEQUENCE)
        lengths = [len(chunk) for chunk in chunks]
        chunk_of = np.repeat(np.arange(len(chunks), dtype=np.int32), lengths)
        return Laid(
            order=order,
            tokens=np.asarray(self.token_ids(order), np.int32),
            chunk_of=chunk_of,
            offset_in_chunk=np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
            candidates=(chunk_of > 0) | kind.even_first,
            blob=blob,
            stale=rows_of_state(blob, self.layout, end),
            queries={1: queries},
        )

    def _question_queries(
        self, end: int, layers: Sequence[int], unseen: IntArray | None = None
    ) -> dict[int, FloatArray]:
        return attention_trace.question_queries(self.context, self.case.question, end, layers, unseen)

    def _reload(self) -> None:
        self.context.clear()
        kv_state.load(self.context, self.laid.blob, self.context.SEQUENCE)

    def _preamble_state(self) -> Buffer:
        key = StateKind(num_filler_tokens=-1)
        if key not in self._states:
            self._states[key] = [(kv_state.encode_preamble(self.context, self._preamble), 0)]
        return self._states[key][0][0]

    def _states_of(self, kind: StateKind) -> list[tuple[Buffer, int]]:
        """Each chunk's state, and the position of its first token."""
        if kind not in self._states:
            filler, preamble = self._filler[kind.filler_start :][: kind.num_filler_tokens], self._preamble_state()
            lead = kv_state.encode_preamble(self.context, self._preamble + filler) if filler else preamble
            self._states[kind] = [self._state_of(i, kind, lead, self.first + len(filler)) for i in self._all_chunks()]
        return self._states[kind]

    def _all_chunks(self) -> range:
        return range(len(self.case.chunks))

    def _state_of(self, number: int, kind: StateKind, lead: Buffer, num_lead: int) -> tuple[Buffer, int]:
        case, before = self.case, ()
        if kind.num_preceding_tokens:
            document = case.documents[number]
            before = sum((case.chunks[i] for i in range(number) if case.documents[i] == document), ())
            before = before[-kind.num_preceding_tokens :]
        if not before:
            return kv_state.encode_chunk(self.context, lead, num_lead, case.chunks[number]), num_lead
        lead = kv_state.encode_preamble(self.context, self._preamble + before)
        num_lead = self.first + len(before)
        return kv_state.encode_chunk(self.context, lead, num_lead, case.chunks[number]), num_lead

    # --- measuring

    def attention(
        self,
        layers: Sequence[int],
        *,
        last_tokens: int | None = None,
        highest: bool = False,
        num_drafted: int = 0,
        seen_every: int = 1,
    ) -> FloatArray:
        """The question's attention on each token over the stale context, over heads and layers: (tokens,).

        `last_tokens`: only the last tokens of the question count; `highest`: the maximum over its tokens, not the sum;
        `num_drafted`: so many tokens of an answer drafted over the stale context count as the question's last;
        `seen_every`: the question is computed seeing only every so many-th token.
        """
        self._charge_scoring(layers)
        by_layer = [self._stale_attention(layer, seen_every) for layer in layers]
        if num_drafted:
            self._charge_draft(num_drafted)
            drafted = self._drafted_attention(layers)
            by_layer = [np.concatenate((a, b[:num_drafted])) for a, b in zip(by_layer, drafted, strict=True)]
        return _over_question(by_layer, last_tokens, highest)

    def attention_now(self, layers: Sequence[int]) -> FloatArray:
        """The same over the context as it is by now, in a pass of its own."""
        self.charge(len(self.case.question), max(layers) + 1)
        queries = self._question_queries(self.end, layers)
        pieces = [self._attention(queries[i], self.rows.keys(i, self.end)) for i in layers]
        return _over_question(pieces, None, highest=False)

    def drafted_attention_now(self, layers: Sequence[int]) -> FloatArray:
        """The same for the question and a greedy answer's first tokens, drafted over the context as it is by now."""
        question = self.case.question
        self.charge(len(question) + MAX_DRAFTED, self.num_layers)
        queries = self._question_queries(self.end, layers)
        drafted = self._draft()
        self.context.forget(self.context.SEQUENCE, self.end)
        pieces = [
            self._attention(np.concatenate((queries[i], drafted[i]), axis=1), self.rows.keys(i, self.end))
            for i in layers
        ]
        return _over_question(pieces, None, highest=False)

    def exact_attention(self, layers: Sequence[int]) -> FloatArray:
        """The question's attention in the full prefill; an oracle, charged like `attention`."""
        assert self.exact_rows is not None
        self._charge_scoring(layers)
        pieces = [self._attention(self.exact_queries[i], self.rows.values(self.exact_rows.k[i])) for i in layers]
        return _over_question(pieces, None, highest=False)

    def deviation(self, indices: IntArray, *, of_keys: bool = False) -> FloatArray:
        """Squared distance of exact and stale rows at layer 1, V unless `of_keys`: (indices,)."""
        shallow, layer = self._shallow(), SHALLOW_LAYERS[-1]
        self.charge(len(indices), len(SHALLOW_LAYERS))
        positions = indices + np.int32(self.first)
        self.rows.replace(shallow, positions, SHALLOW_LAYERS)
        exact = (shallow.k if of_keys else shallow.v)[layer][positions]
        stale = (self.laid.stale.k if of_keys else self.laid.stale.v)[layer][positions]
        return np.square(self.rows.values(exact) - self.rows.values(stale)).sum(axis=1)

    def _stale_attention(self, layer: int, seen_every: int) -> FloatArray:
        laid, key = self.laid, (seen_every, layer)
        if key not in laid.attention:
            queries = self._stale_queries(seen_every)[layer]
            laid.attention[key] = self._attention(queries, self.rows.values(laid.stale.k[layer]))
        return laid.attention[key]

    def _stale_queries(self, seen_every: int) -> dict[int, FloatArray]:
        queries = self.laid.queries
        if seen_every not in queries:
            assert not self.recomputed.any(), "the question's queries are computed before any recompute"
            unseen = unseen_tokens(self.num_tokens, seen_every) + np.int32(self.first)
            queries[seen_every] = self._question_queries(self.end, range(self.num_layers), unseen)
        return queries[seen_every]

    def _drafted_attention(self, layers: Sequence[int]) -> list[FloatArray]:
        if self.laid.draft is None:
            assert not self.recomputed.any(), "an answer is drafted before any recompute"
            self._reload()
            self.laid.draft = self._draft()
            self._reload()
        draft = self.laid.draft
        return [self._attention(draft[layer], self.rows.values(self.laid.stale.k[layer])) for layer in layers]

    def _draft(self) -> dict[int, FloatArray]:
        """The queries of a greedy answer's first tokens over the stale context, by layer."""
        context, question, vocabulary = self.context, self.case.question, Vocabulary(self.context.model)
        recorder = QueryRecorder(range(self.num_layers))
        context.prefill(question, self.end, want_logits=True)
        for position in range(self.end + len(question), self.end + len(question) + MAX_DRAFTED):
            token_id = int(context.logits().argmax())
            graph_pass = GraphPass(watches=recorder.watches(slice(0, 1)))
            context.decode([TokenRun((token_id,), position, context.SEQUENCE, want_logits=True)], graph_pass)
            graph_pass.require_complete()
            if vocabulary.ends_answer(token_id):
                break
        return recorder.queries()

    def _charge_draft(self, num_drafted: int) -> None:
        self.charge(max(num_drafted - self._num_drafted, 0), self.num_layers)
        # The last of the question's tokens has to go through all layers to say anything.
        self._charge_scoring((self.num_layers - 1,))
        self._num_drafted = max(num_drafted, self._num_drafted)

    def _attention(self, queries: FloatArray, keys: FloatArray) -> FloatArray:
        return attention_trace.attention(queries, keys)[:, self.first :]

    def _shallow(self) -> Rows:
        if self.laid.shallow is None:
            assert not self.recomputed.any(), "the exact rows of the first layers are measured before any recompute"
            self._redirect(np.flatnonzero(self.laid.candidates).astype(np.int32), len(SHALLOW_LAYERS))
            rows = self.rows.read(self.end)
            num = len(SHALLOW_LAYERS)
            self.laid.shallow = Rows(rows.k[:num], rows.v[:num])
            self._reload()
        return self.laid.shallow

    # --- treating

    def recompute(self, indices: IntArray, *, num_layers: int | None = None) -> None:
        """Recompute tokens in place, in position order, in all layers or the first `num_layers`."""
        self._recompute(indices, num_layers, None, np.zeros(0, np.int32))

    def recompute_and_trace(
        self, indices: IntArray, traced: IntArray, layers: Sequence[int], *, num_layers: int | None = None
    ) -> FloatArray:
        """Recompute tokens, and return the attention that some of them give to each token meanwhile: (tokens,)."""
        if not len(traced):
            return np.zeros(self.num_tokens, np.float32)
        traced = np.sort(traced[:_TRACED_TOKENS])
        recorder = QueryRecorder(layers)
        self._recompute(indices, num_layers, recorder, traced)
        total, positions = np.zeros(self.num_tokens, np.float32), traced + np.int32(self.first)
        for layer, queries in recorder.queries().items():
            keys = self.rows.keys(layer, self.end)
            total += attention_trace.attention(queries, keys, positions)[:, self.first :].sum(axis=0)
        return total

    def hide(self, indices: IntArray) -> None:
        """Let the question not see these tokens; the last thing to be done."""
        for index in indices.tolist():
            self.context.forget(self.context.SEQUENCE, self.first + index, self.first + index + 1)

    def weaken(self, indices: IntArray, bias: float) -> None:
        """Add `bias` (negative) to the question's and the answer's attention logits of these tokens."""
        self.mask_bias = MaskBias(indices + np.int32(self.first), bias)

    def charge(self, num_tokens: int, num_layers: int) -> None:
        """Count work."""
        self.work += num_tokens * num_layers / self.num_layers

    def _charge_scoring(self, layers: Sequence[int]) -> None:
        num_layers = max(layers) + 1
        self.charge(len(self.case.question), max(num_layers - self._num_scored_layers, 0))
        self._num_scored_layers = max(num_layers, self._num_scored_layers)

    def _recompute(
        self, indices: IntArray, num_layers: int | None, recorder: QueryRecorder | None, traced: IntArray
    ) -> None:
        if not len(indices):
            return
        started = perf_counter()
        self._redirect(indices, num_layers or self.num_layers, recorder, traced)
        self.recompute_ms += (perf_counter() - started) * 1e3
        self.charge(len(indices), num_layers or self.num_layers)
        self.recomputed[indices] = True

    def _redirect(
        self,
        indices: IntArray,
        num_layers: int,
        recorder: QueryRecorder | None = None,
        traced: IntArray | None = None,
    ) -> None:
        context, in_part = self.context, num_layers < self.num_layers
        for piece in redirect.slices(indices, 0, context.options.batch_tokens):
            watches: dict[Tap, Watch] = {}
            if recorder is not None and traced is not None:
                watches.update(recorder.watches(np.flatnonzero(np.isin(piece, traced)).astype(np.int32)))
            if in_part:
                watches |= {redirect.k_rows_tap(num_layers - 1): Watch(), redirect.v_rows_tap(num_layers - 1): Watch()}
            token_ids, positions = self.laid.tokens[piece].tolist(), piece + np.int32(self.first)
            redirect.redirected_decode(context, token_ids, positions, watches=watches, stop=in_part)


def _over_question(by_layer: Sequence[FloatArray], last_tokens: int | None, highest: bool) -> FloatArray:
    total: FloatArray = np.sum(by_layer, axis=0)
    rows = total[-last_tokens:] if last_tokens else total
    return rows.max(axis=0) if highest else rows.sum(axis=0)


Treat = Callable[[Specimen], None]
