"""The gate on a model with random weights: what it measures, and that nothing disturbs it or is disturbed by it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from engine.errors import Cancelled, PromptTooLong
from engine.gate import cases_of
from engine.kv_layout import Buffer
from engine.kv_state import GiveWay
from engine.model import Context, ContextOptions
from engine.requests import (
    AnswerDone,
    AnswerRequest,
    ContextChunk,
    GateDone,
    GateEvent,
    GateProgress,
    GateQuestion,
    GateRequest,
    GateTrial,
    SteepDone,
    SteepRequest,
)
from engine.runtime import Runtime
from engine.session import Session, SessionOptions
from storage.values import QualityBar
from tests.fakes import MemoryShelf
from tests.tiny_model import WIDE, write_tiny_model

PASSAGES = (
    "The ferry to Grindlow leaves at seven in the morning, and its captain is Odile Marsh, who bought it in 1998.",
    "Two cats live on board. The older one, Biscuit, sleeps on the chart table and must not be fed by passengers.",
    "The harbour of Grindlow has three piers. Next to the middle one a bakery sells pies with herring and leek.",
    "When the sea is rough the crossing takes two hours, and nobody drinks coffee before the lighthouse is passed.",
)
QUESTIONS = (GateQuestion("Who is the captain?", PASSAGES), GateQuestion("Where is the bakery?", PASSAGES[::-1]))
ANYTHING, NOTHING = QualityBar(100.0, 0.0), QualityBar(0.0, 0.0)
AT_A_HALF = GateRequest(QUESTIONS, ratios=(0.5,), bar=ANYTHING)

OPTIONS = ContextOptions(num_cells=1024, batch_tokens=128, num_threads=1)


def runtime_of(model: Path, shelf: MemoryShelf | None = None) -> Runtime:
    return Runtime(SessionOptions(model, "test", OPTIONS), (shelf or MemoryShelf()).opened)


def measured(runtime: Runtime, request: GateRequest) -> tuple[GateDone, list[GateTrial]]:
    events = list(runtime.gate(request))
    done = events[-1]
    assert isinstance(done, GateDone)
    return done, [event for event in events if isinstance(event, GateTrial)]


@pytest.fixture(scope="module")
def undisturbed(tiny_model: Path) -> list[GateTrial]:
    """All trials of `AT_A_HALF`."""
    with runtime_of(tiny_model) as runtime:
        return measured(runtime, AT_A_HALF)[1]


def at_ratio_one(runtime: Runtime) -> GateDone:
    return measured(runtime, GateRequest(QUESTIONS, ratios=(1.0,)))[0]


# --- what is measured


def test_recomputing_everything_is_exact(tiny_model: Path):
    with runtime_of(tiny_model) as runtime:
        done, trials = measured(runtime, GateRequest(QUESTIONS, ratios=(1.0,)))
    assert done.ratio == 1.0
    assert [trial.question for trial in trials] == [0, 1]
    assert done.tried[0].kl < 1e-4
    assert done.tried[0].agreement == 1.0


def test_recomputing_less_is_worse(tiny_model: Path):
    with runtime_of(tiny_model) as runtime:
        done, _ = measured(runtime, GateRequest(QUESTIONS, ratios=(0.0, 1.0)))
    assert done.tried[0].kl > 100 * done.tried[1].kl


def test_the_first_ratio_that_reaches_the_bar_ends_it(tiny_model: Path):
    with runtime_of(tiny_model) as runtime:
        done, trials = measured(runtime, GateRequest(QUESTIONS, ratios=(0.1, 0.5), bar=ANYTHING))
    assert (done.ratio, done.num_questions) == (0.1, 2)
    assert {trial.ratio for trial in trials} == {0.1}


def test_where_none_reaches_it_all_are_tried_and_none_is_taken(tiny_model: Path):
    with runtime_of(tiny_model) as runtime:
        done, trials = measured(runtime, GateRequest(QUESTIONS, ratios=(0.1, 0.5), bar=NOTHING))
    assert done.ratio is None
    assert [quality.ratio for quality in done.tried] == [0.1, 0.5]
    assert [quality.num_questions for quality in done.tried] == [1, 1], "the second question cannot save it"
    assert len(trials) == 2


def test_chunk_states_of_other_text_are_found_out(tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    """A poisoned shelf: each state is that of the chunk's tokens in reverse."""
    encoded = Session._encoded

    def poisoned(
        session: Session,
        context: Context,
        lead: Buffer,
        start: int,
        token_ids: tuple[int, ...],
        give_way: GiveWay | None,
    ) -> bytearray:
        return encoded(session, context, lead, start, token_ids[::-1], give_way)

    request = GateRequest(QUESTIONS, ratios=(0.1,), bar=ANYTHING)
    with runtime_of(tiny_model) as runtime:
        right = measured(runtime, request)[0].tried[0]
        monkeypatch.setattr(Session, "_encoded", poisoned)
        wrong = measured(runtime, request)[0].tried[0]
    assert wrong.kl > 1.5 * right.kl


@pytest.mark.parametrize("kv_type", ["f16", "q4_0"])
def test_progress_ends_where_it_said(wide_model: Path, kv_type: str):
    for bar in (ANYTHING, NOTHING):
        with runtime_with(kv_type, wide_model) as runtime:
            events = list(runtime.gate(GateRequest(QUESTIONS, ratios=(0.1, 0.2, 0.5), bar=bar)))
        progress = [event for event in events if isinstance(event, GateProgress)]
        assert all(before.num_done <= after.num_done for before, after in pairwise(progress))
        assert all(before.num_total >= after.num_total for before, after in pairwise(progress))
        assert progress[-1].num_done == progress[-1].num_total
        assert progress[0].num_done < progress[0].num_total / 4


# --- who has room


def test_questions_that_the_window_has_no_room_for_are_left_out(tiny_model: Path, tmp_path: Path):
    short = write_tiny_model(tmp_path / "short.gguf", context_length=640)
    small = GateQuestion("Who?", PASSAGES[:2])
    with Runtime(SessionOptions(short, "test", replace(OPTIONS, num_cells=640)), MemoryShelf().opened) as runtime:
        assert len(cases_of(runtime.wait_ready().frame, GateRequest((*QUESTIONS, small)), 640)) == 1
        done, trials = measured(runtime, GateRequest((*QUESTIONS, small), ratios=(1.0,)))
        assert done.num_questions == len(trials) == 1
        with pytest.raises(PromptTooLong, match="no question of the gate fits"):
            list(runtime.gate(GateRequest(QUESTIONS)))
        assert list(runtime.answer(AnswerRequest("Hello?", (), max_answer_tokens=1)))


# --- what quantised rows cost


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("wide") / "wide.gguf", turning=WIDE)


def runtime_with(kv_type: str, model: Path) -> Runtime:
    return Runtime(SessionOptions(model, "test", replace(OPTIONS, kv_type=kv_type)), MemoryShelf().opened)


def test_exact_answers_are_those_of_rows_that_are_not_quantised(wide_model: Path):
    kls = list[float]()
    for kv_type in ("f16", "q8_0", "q4_0"):
        with runtime_with(kv_type, wide_model) as runtime:
            kls.append(at_ratio_one(runtime).tried[0].kl)
    f16, q8_0, q4_0 = kls
    assert f16 < 1e-4
    assert 2 * f16 < q8_0 < 0.05
    assert q4_0 > 10 * q8_0


@pytest.mark.parametrize(
    ("kv_type", "ratios", "tried"),
    [("f16", (0.1, 0.5), (0.1, 0.5)), ("q4_0", (0.1, 0.5), (0.1, 0.5, 1.0)), ("q4_0", (0.1, 1.0), (0.1, 1.0))],
)
def test_where_no_ratio_will_do_it_tells_what_the_rows_alone_cost(
    wide_model: Path, kv_type: str, ratios: tuple[float, ...], tried: tuple[float, ...]
):
    with runtime_with(kv_type, wide_model) as runtime:
        done, _ = measured(runtime, GateRequest(QUESTIONS, ratios=ratios, bar=NOTHING))
    assert done.ratio is None
    assert tuple(quality.ratio for quality in done.tried) == tried


def test_recomputing_everything_is_not_blending(wide_model: Path):
    """Where that alone is good enough, only exact answers are."""
    with runtime_with("q4_0", wide_model) as runtime:
        trial = at_ratio_one(runtime).tried[0]
        bar = QualityBar(trial.kl * 1.01, trial.agreement * 0.99)
        done, _ = measured(runtime, GateRequest(QUESTIONS, ratios=(0.0,), bar=bar))
    assert [quality.reaches(bar) for quality in done.tried] == [False, True]
    assert done.ratio is None


# --- beside everything else


def test_questions_are_answered_during_it_and_change_none_of_its_numbers(
    tiny_model: Path, undisturbed: Sequence[GateTrial]
):
    events: list[GateEvent] = []
    with runtime_of(tiny_model) as runtime:
        runtime.wait_ready()
        job = runtime.gate(AT_A_HALF)
        for number, event in enumerate(job):
            events.append(event)
            *_, done = runtime.answer(AnswerRequest(f"Who is number {number}?", (), max_answer_tokens=1))
            assert isinstance(done, AnswerDone)
    assert len(events) > 10
    assert [event for event in events if isinstance(event, GateTrial)] == undisturbed


def test_chunks_are_steeped_during_it_and_change_none_of_its_numbers(
    tiny_model: Path, undisturbed: Sequence[GateTrial], monkeypatch: pytest.MonkeyPatch
):
    ended = list[str]()
    for name in ("gate", "steep"):
        monkeypatch.setattr(Session, name, _noted(getattr(Session, name), name, ended))
    events: list[GateEvent] = []
    shelf = MemoryShelf()
    with runtime_of(tiny_model, shelf) as runtime:
        runtime.wait_ready()
        for number, event in enumerate(runtime.gate(AT_A_HALF)):
            events.append(event)
            if number < 3:
                *_, done = runtime.steep(SteepRequest((ContextChunk(number, (40 + number,) * 9),)))
                assert isinstance(done, SteepDone)
                assert done.num_encoded_tokens == 9
    assert ended == [*["steep"] * 3, "gate"]
    assert len(shelf.blobs) == 4  # with the preamble's
    assert [event for event in events if isinstance(event, GateTrial)] == undisturbed


def _noted(method: Callable[..., object], name: str, ended: list[str]) -> Callable[..., object]:
    def noted(*arguments: object, **options: object) -> object:
        result = method(*arguments, **options)
        ended.append(name)
        return result

    return noted


BREAKS = frozenset({2, 3, 10, 25, 40, 60, 61, 75, 90, 100})
"""Decodes that are broken off: while states are made, the exact answers are, and the blended ones."""


def test_a_step_that_was_broken_off_is_repeated(
    tiny_model: Path, undisturbed: Sequence[GateTrial], monkeypatch: pytest.MonkeyPatch
):
    decode, decodes = Context.decode, list[int]()

    def broken(context: Context, *arguments: object, **options: object) -> None:
        """The batch has left its rows in the cache by then."""
        decode(context, *arguments, **options)  # type: ignore[arg-type]
        decodes.append(len(decodes))
        if decodes[-1] in BREAKS:
            raise Cancelled("a question came")

    with runtime_of(tiny_model) as runtime:
        runtime.wait_ready()
        monkeypatch.setattr(Session, "_context_behind", _prepared_before(monkeypatch, broken))
        assert measured(runtime, AT_A_HALF)[1] == undisturbed
    assert len(decodes) > max(BREAKS)


def _prepared_before(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[..., None]
) -> Callable[[Session, int, str], Context]:
    """Contexts are made undisturbed; from then on decodes are broken off."""
    make = Session._context_behind

    def made(session: Session, num_cells: int, kv_type: str) -> Context:
        context = make(session, num_cells, kv_type)
        monkeypatch.setattr(Context, "decode", broken)
        return context

    return made


def test_it_leaves_nothing_on_the_shelf_and_no_rates(tiny_model: Path):
    shelf = MemoryShelf()
    with runtime_of(tiny_model, shelf) as runtime:
        at_ratio_one(runtime)
        assert (shelf.blobs, shelf.noted_rates) == ({}, {})


def test_it_rests_while_steeping_is_held(tiny_model: Path):
    with runtime_of(tiny_model) as runtime:
        runtime.wait_ready()
        runtime.hold()
        job, done = runtime.gate(GateRequest(QUESTIONS, ratios=(1.0,))), threading.Event()
        reader = threading.Thread(target=lambda: (list(job), done.set()))
        reader.start()
        assert list(runtime.answer(AnswerRequest("Who?", (), max_answer_tokens=1)))
        assert not done.wait(0.3)
        runtime.release()
        reader.join()
    assert done.is_set()


def test_cancelled_it_ends_and_the_next_request_is_served(tiny_model: Path):
    with runtime_of(tiny_model) as runtime:
        job = runtime.gate(GateRequest(QUESTIONS))
        events = iter(job)
        assert isinstance(next(events), GateProgress)
        job.cancel()
        with pytest.raises(Cancelled):
            list(events)
        assert at_ratio_one(runtime).ratio == 1.0
        assert list(runtime.steep(SteepRequest(())))


def test_closing_the_runtime_ends_it(tiny_model: Path):
    runtime = runtime_of(tiny_model)
    job = runtime.gate(GateRequest(QUESTIONS))
    next(iter(job))
    runtime.close()
    with pytest.raises(Cancelled):
        list(job)


# --- what is asked for


@pytest.mark.parametrize("bar", [QualityBar(-0.1, 0.5), QualityBar(0.1, 1.1)])
def test_a_bar_can_be_reached(bar: QualityBar):
    with pytest.raises(ValueError, match="nothing can reach"):
        GateRequest(QUESTIONS, bar=bar)


@pytest.mark.parametrize("ratios", [(), (0.2, 0.1), (0.1, 0.1), (-0.1,), (1.1,)])
def test_ratios_ascend_within_their_range(ratios: tuple[float, ...]):
    with pytest.raises(ValueError, match="ratio"):
        GateRequest(QUESTIONS, ratios=ratios)


def test_a_question_over_one_passage_says_nothing_about_blending():
    with pytest.raises(ValueError, match="needs two"):
        GateQuestion("Who?", PASSAGES[:1])


def test_a_question_stands_among_passages_of_the_others(tiny_model: Path):
    others = GateQuestion("What is it?", tuple(f"{number}. Nothing that matters is told here." for number in range(9)))
    with runtime_of(tiny_model) as runtime:
        frame = runtime.wait_ready().frame
        own = [frame.chunk(passage) for passage in PASSAGES]
        num_own, num_other = sum(map(len, own)), len(frame.chunk(others.passages[0]))

        def context(num_tokens: int) -> list[tuple[int, ...]]:
            request = GateRequest((QUESTIONS[0], others), context_tokens=num_tokens)
            case = cases_of(frame, request, 4096)[0]
            assert case.num_context_tokens <= max(num_tokens, num_own)
            return [chunk.token_ids for chunk in case.chunks]

        assert context(0) == context(num_own + num_other - 1) == own
        wide = context(num_own + 4 * num_other)
        assert [chunk in own for chunk in wide] == [True, False] * 4
        assert len(set(context(9999))) == len(PASSAGES) + 9
