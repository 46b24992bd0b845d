"""Compare a blended context with a full prefill of the same prompt, token by token of the full prefill's own answer.

    full prefill of `preamble · chunks · question`, greedily    → the answer, with its probabilities at each position
    per treatment: stale context, treated, `question · answer`  → KL(full ‖ blended), agreement, its own answer

The answer's end token is one of its positions. The treated context is made to say the full prefill's answer (teacher
forcing), so every position compares the same text; its own greedy answer is decoded only from where it leaves that.
Compute thread only.
"""

import string
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from time import perf_counter

import numpy as np
import numpy.typing as npt

from engine import attention_trace, bindings, kv_state
from engine.bindings import FloatArray, TokenRun
from engine.cache_rows import CacheRows
from engine.divergence import Distributions
from engine.kv_layout import KvLayout
from engine.model import Context
from engine.prompt import PromptFrame
from engine.quality.specimen import Case, Specimen
from engine.quality.treatments import FIXED, FULL, TREATMENTS
from engine.redirect import GraphPass
from engine.selection import scored_layers

MAX_ANSWER_TOKENS = 32
INSTRUCTIONS = "Answer directly. Do NOT repeat the question. The answer should be within 5 words."
"""What is asked of every answer, so that word overlap with a short right answer means something."""

_ARTICLES = frozenset(("a", "an", "the"))
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Order(StrEnum):
    """In which order chunks stand in the prompt; "best" is what the question attends to most over stale chunks."""

    DOCUMENT = "document"
    BEST_FIRST = "best-first"
    BEST_LAST = "best-last"


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try: a treatment, and the share of a full prefill's work that it may do (0 for those that are fixed)."""

    treatment: str
    ratio: float = 0.0


def trials(treatments: Iterable[str], ratios: Iterable[float]) -> list[Trial]:
    """Every treatment at every ratio; fixed ones once."""
    ratios = list(ratios)
    return [Trial(name, ratio) for name in treatments for ratio in ((0.0,) if name in FIXED else ratios)]


@dataclass(frozen=True, slots=True)
class Exact:
    """What a full prefill answers."""

    token_ids: tuple[int, ...]
    """Greedy, with the end token if it came."""
    distributions: Distributions
    """At each position of the answer."""
    text: str
    prefill_ms: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """How one treatment of one question compares."""

    question: int
    treatment: str
    ratio: float
    kl: float
    """KL(full ‖ blended), nats, mean over the answer's positions."""
    agreement: float
    """Share of positions at which both put the same token first."""
    f1: float
    """Word overlap of the blended answer's first line with the best of the right answers."""
    full_f1: float
    work: float
    """Equivalent tokens over the tokens of all chunks (`engine.quality.specimen` says what counts)."""
    recomputed: float
    """Share of tokens that were recomputed."""
    num_tokens: int
    """Tokens of all chunks."""
    num_answer_tokens: int
    recompute_ms: float
    full_ms: float


class Comparison:
    """Measures one question after the other on one context, which must be able to blend."""

    def __init__(
        self,
        context: Context,
        frame: PromptFrame,
        *,
        order: Order = Order.DOCUMENT,
        filler: tuple[int, ...] = (),
        with_answers: bool = True,
        reference: Context | None = None,
    ) -> None:
        """`filler`: text for states that are encoded behind some; `with_answers`: decode what blended contexts answer,
        otherwise F1 is 0; `reference`: where the full prefills are computed, in place of the same context: one of
        another KV type, say."""
        self._context, self._frame, self._order = context, frame, order
        self._reference = reference or context
        self._filler, self._with_answers = filler, with_answers
        self._layout: KvLayout = kv_state.learn_layout(context)
        self._rows = CacheRows(context)

    def measured(self, number: int, case: Case, wanted: Sequence[Trial]) -> Iterator[Measurement]:
        """All trials of a question, which is number `number`."""
        if not wanted:
            return
        specimen = self.specimen_of(case)
        exact = self._exact(specimen, needs_rows=any(_is_oracle(trial) for trial in wanted))
        for trial in wanted:
            specimen.begin(trial.ratio * specimen.full_tokens)
            TREATMENTS[trial.treatment](specimen)
            yield replace(
                self._compared(specimen, exact), question=number, treatment=trial.treatment, ratio=trial.ratio
            )

    def specimen_of(self, case: Case) -> Specimen:
        """A question's stale context, its chunks in this comparison's order."""
        specimen = Specimen(self._context, self._layout, self._rows, self._frame.preamble, case, self._filler)
        specimen.order = _ordered(specimen, self._order)
        specimen.begin(0)
        return specimen

    # --- the full prefill

    def _exact(self, specimen: Specimen, *, needs_rows: bool) -> Exact:
        context, question = self._reference, specimen.case.question
        context.clear()
        started = perf_counter()
        stable = [*self._frame.preamble, *specimen.token_ids(specimen.order)]
        prompt = [*stable, *question]
        context.prefill(prompt, 0, want_logits=True)
        prefill_ms = (perf_counter() - started) * 1e3
        answer: list[int] = []
        logits = [context.logits()]
        while not self._append(answer, logits[-1]):
            context.decode([TokenRun(answer[-1:], len(prompt) + len(answer) - 1, Context.SEQUENCE, want_logits=True)])
            logits.append(context.logits())
        if needs_rows:
            self._take_rows(specimen, stable)
        return Exact(tuple(answer), Distributions.of(np.stack(logits)), self._text(answer), prefill_ms)

    def _take_rows(self, specimen: Specimen, stable: Sequence[int]) -> None:
        """What oracles know: rows of a full prefill on the context that they work on."""
        context, end = self._context, len(stable)
        if context is self._reference:
            context.forget(Context.SEQUENCE, end)
        else:
            context.clear()
            context.prefill(stable, 0)
        layers = range(specimen.num_layers)
        specimen.exact_queries = attention_trace.question_queries(context, specimen.case.question, end, layers)
        specimen.exact_rows = self._rows.read(end)

    def _append(self, answer: list[int], logits: FloatArray) -> bool:
        """Add the most probable token; whether the answer ends with it."""
        answer.append(int(logits.argmax()))
        return len(answer) >= MAX_ANSWER_TOKENS or self._frame.vocabulary.ends_answer(answer[-1])

    # --- a treated context

    def _compared(self, specimen: Specimen, exact: Exact) -> Measurement:
        logits = self.forced(specimen, exact.token_ids)
        right = specimen.case.answers
        divergences = exact.distributions.divergences(logits)
        same = logits.argmax(axis=1) == np.asarray(exact.token_ids)
        text = self._own_answer(specimen, exact, logits, same) if self._with_answers else ""
        return Measurement(
            question=0,
            treatment="",
            ratio=0,
            kl=float(divergences.mean()),
            agreement=float(same.mean()),
            f1=word_f1(text, right),
            full_f1=word_f1(exact.text, right),
            work=specimen.work / specimen.full_tokens,
            recomputed=float(specimen.recomputed.sum()) / specimen.full_tokens,
            num_tokens=specimen.full_tokens,
            num_answer_tokens=len(exact.token_ids),
            recompute_ms=specimen.recompute_ms,
            full_ms=exact.prefill_ms,
        )

    def forced(self, specimen: Specimen, answer: Sequence[int]) -> FloatArray:
        """Compute `question · answer`; the logits of the answer's positions, (answer tokens, vocabulary)."""
        context, question, at = self._context, specimen.case.question, specimen.end
        room = context.options.batch_tokens - len(answer)
        assert room > 0, "an answer fits a batch"
        while len(question) > room:
            self._decode(specimen, [TokenRun(question[:room], at, Context.SEQUENCE)])
            at, question = at + room, question[room:]
        runs = [TokenRun(question, at, Context.SEQUENCE, want_logits=True)]
        at += len(question)
        runs += [TokenRun((t,), at + i, Context.SEQUENCE, want_logits=True) for i, t in enumerate(answer[:-1])]
        self._decode(specimen, runs)
        size = context.model.num_vocabulary_tokens
        first_row = len(question) - 1
        return np.stack([bindings.logits_at(context.handle, first_row + i, size) for i in range(len(answer))])

    def _own_answer(self, specimen: Specimen, exact: Exact, logits: FloatArray, same: npt.NDArray[np.bool_]) -> str:
        """The treated context's greedy answer, up to the end of its first line."""
        if same.all():
            return exact.text
        leaves_at = int(same.argmin())
        answer, context = list(exact.token_ids[:leaves_at]), self._context
        start = specimen.end + len(specimen.case.question)
        if leaves_at + 1 < len(exact.token_ids):
            context.forget(Context.SEQUENCE, start + leaves_at)
        ended = self._append(answer, logits[leaves_at])
        while not ended and "\n" not in self._text(answer).lstrip():
            run = TokenRun(answer[-1:], start + len(answer) - 1, Context.SEQUENCE, want_logits=True)
            self._decode(specimen, [run])
            ended = self._append(answer, context.logits())
        return self._text(answer)

    def _decode(self, specimen: Specimen, runs: Sequence[TokenRun]) -> None:
        bias = specimen.mask_bias
        self._context.decode(runs, GraphPass(mask_bias=bias) if bias else None)

    def _text(self, token_ids: Sequence[int]) -> str:
        vocabulary = self._frame.vocabulary
        return vocabulary.text_of(t for t in token_ids if not vocabulary.ends_answer(t))


def case_of(
    frame: PromptFrame, question: str, answers: Iterable[str], passages: Iterable[str], chunk_tokens: int
) -> Case:
    """A question as tokens: each passage one chunk, or cut into several of at most `chunk_tokens`."""
    chunks: list[tuple[int, ...]] = []
    documents: list[int] = []
    for number, passage in enumerate(passages):
        token_ids = frame.chunk(passage)
        pieces = [token_ids[at : at + chunk_tokens] for at in range(0, len(token_ids), chunk_tokens)]
        chunks += pieces
        documents += [number] * len(pieces)
    return Case(frame.question(question, INSTRUCTIONS), tuple(chunks), tuple(documents), tuple(answers))


def cells_for(cases: Iterable[Case], num_preamble_tokens: int, num_filler_tokens: int, batch_tokens: int) -> int:
    """KV cells that measuring these needs: the longest prompt and answer, or a chunk behind filler, and scratch."""
    longest = 0
    for case in cases:
        prompt = sum(map(len, case.chunks)) + len(case.question) + MAX_ANSWER_TOKENS
        longest = max(longest, prompt, num_filler_tokens + max(map(len, case.chunks)))
    return num_preamble_tokens + longest + batch_tokens


def word_f1(text: str, right_answers: Iterable[str]) -> float:
    """Overlap of the words of the text's first line with the best fitting right answer, as SQuAD counts it."""
    said = _words(text.lstrip().partition("\n")[0])
    return max((_overlap(said, _words(answer)) for answer in right_answers), default=0.0)


def _words(text: str) -> list[str]:
    return [word for word in text.lower().translate(_NO_PUNCTUATION).split() if word not in _ARTICLES]


def _overlap(said: Sequence[str], right: Sequence[str]) -> float:
    if not said or not right:
        return float(said == right)
    num_common = sum((Counter(said) & Counter(right)).values())
    return 2 * num_common / (len(said) + len(right))


def _is_oracle(trial: Trial) -> bool:
    return trial.treatment.startswith("oracle") or trial.treatment == FULL


def _ordered(specimen: Specimen, order: Order) -> tuple[int, ...]:
    if order is Order.DOCUMENT:
        return specimen.order
    attention = specimen.attention(scored_layers(specimen.num_layers))
    by_rank = np.argsort(-np.bincount(specimen.laid.chunk_of, attention), kind="stable").tolist()
    return tuple(by_rank if order is Order.BEST_FIRST else reversed(by_rank))
