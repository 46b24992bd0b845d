"""What a treated context is compared with, and that its work is counted; on a model with random weights."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import scoring
from engine.model import Context, ContextOptions, Model
from engine.prompt import PromptFrame, frame_of
from engine.quality.comparison import Comparison, Measurement, Order, Trial, case_of, cells_for, trials, word_f1
from engine.quality.specimen import Case, Specimen, StateKind
from engine.quality.treatments import FIXED, RATED, TREATMENTS, pooled
from engine.selection import SEEN_EVERY, scored_layers, unseen_tokens
from engine.vocabulary import Vocabulary
from tests.tiny_model import WIDE, write_tiny_model

PASSAGES = (
    "the ferry leaves at seven and its captain keeps two cats, who sleep on the chart table until it is time to land",
    "a bakery at the middle pier sells herring pies until night, and closes when the last ferry has left the harbour",
    "wheat is sown in october, the mills turn day and night then, and the price of flour falls before the frost comes",
)
BATCH_TOKENS = 384
FILLER = tuple(range(100, 140))


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Iterator[Model]:
    with Model(tiny_model) as model:
        yield model


@pytest.fixture(scope="module")
def frame(model: Model) -> PromptFrame:
    return frame_of(model, Vocabulary(model))


@pytest.fixture(scope="module")
def case(frame: PromptFrame) -> Case:
    case = case_of(frame, "", ["the captain"], PASSAGES, chunk_tokens=60)
    return replace(case, question=frame.question("who keeps cats?"))


@pytest.fixture(scope="module")
def context(model: Model, frame: PromptFrame, case: Case) -> Iterator[Context]:
    num_cells = cells_for([case], len(frame.preamble), len(FILLER), BATCH_TOKENS)
    with Context(model, ContextOptions(num_cells, BATCH_TOKENS, num_threads=1)) as context:
        yield context


@pytest.fixture
def comparison(context: Context, frame: PromptFrame) -> Comparison:
    return Comparison(context, frame, filler=FILLER)


@pytest.fixture
def specimen(comparison: Comparison, case: Case) -> Specimen:
    return comparison.specimen_of(case)


def measure(comparison: Comparison, case: Case, *wanted: Trial) -> list[Measurement]:
    return list(comparison.measured(0, case, wanted))


# --- comparing


def test_the_full_prefill_compared_with_itself_is_the_noise(comparison: Comparison, case: Case) -> None:
    (full,) = measure(comparison, case, Trial("full"))
    assert full.kl < 1e-4
    assert full.agreement == 1
    assert full.f1 == full.full_f1


def test_quantised_rows_are_compared_with_a_prefill_that_is_not(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "wide.gguf", turning=WIDE)
    with Model(path) as model:
        frame = frame_of(model, Vocabulary(model))
        case = case_of(frame, "who keeps cats?", ["the captain"], PASSAGES, chunk_tokens=60)
        num_cells = cells_for([case], len(frame.preamble), 0, BATCH_TOKENS)
        options = ContextOptions(num_cells, BATCH_TOKENS, num_threads=1, kv_type="q4_0")
        with Context(model, options) as context, Context(model, replace(options, kv_type="f16")) as reference:
            (with_itself,) = measure(Comparison(context, frame), case, Trial("full"))
            full, reuse = measure(Comparison(context, frame, reference=reference), case, Trial("full"), Trial("reuse"))
    assert full.kl > 10 * with_itself.kl
    assert reuse.kl > full.kl


def test_plain_reuse_is_wrong_and_recomputing_everything_mends_it(comparison: Comparison, case: Case) -> None:
    reuse, all_again = measure(comparison, case, Trial("reuse"), Trial("random", 1))
    assert reuse.kl > 0.01
    assert all_again.kl < 1e-3
    assert reuse.work == reuse.recomputed == 0


def test_a_treatment_leaves_nothing_behind_for_the_next(comparison: Comparison, case: Case) -> None:
    between = (Trial("sinks-hidden", 0.9), Trial("drop-half", 0.9), Trial("stale-weakened-0.2", 0.9), Trial("full"))
    before, *_, after = measure(comparison, case, Trial("reuse"), *between, Trial("reuse"))
    assert before.kl == after.kl


@pytest.mark.parametrize("name", sorted(TREATMENTS))
def test_every_treatment_runs_and_stays_within_what_it_may_do(comparison: Comparison, case: Case, name: str) -> None:
    ratio = 0 if name in FIXED else 0.82
    (measured,) = measure(comparison, case, Trial(name, ratio))
    assert np.isfinite(measured.kl)
    if name in RATED:
        assert 0.6 < measured.work <= ratio + 1e-6


def test_chunks_in_another_order_are_compared_with_a_prefill_in_that_order(
    context: Context, frame: PromptFrame, case: Case
) -> None:
    comparison = Comparison(context, frame, order=Order.BEST_LAST, filler=FILLER)
    full, _ = measure(comparison, case, Trial("full"), Trial("ours", 0.5))
    assert full.kl < 1e-4


def test_fixed_treatments_are_tried_once() -> None:
    assert trials(["reuse", "ours"], [0.1, 0.2]) == [Trial("reuse"), Trial("ours", 0.1), Trial("ours", 0.2)]


def test_passages_are_cut_and_keep_their_document(frame: PromptFrame) -> None:
    case = case_of(frame, "what?", [], ["a" * 10, "b" * 3], chunk_tokens=8)
    assert [len(chunk) for chunk in case.chunks] == [8, 4, 5]
    assert case.documents == (0, 0, 1)


@pytest.mark.parametrize(
    ("text", "right", "f1"),
    [
        ("The Captain.", ["a captain"], 1),
        ("captain of the ferry\nand more", ["captain"], 0.5),
        ("\n", [""], 1),
        ("nobody", ["captain", "nobody else"], 2 / 3),
        ("", ["captain"], 0),
    ],
)
def test_words_overlap_as_squad_counts_them(text: str, right: list[str], f1: float) -> None:
    assert word_f1(text, right) == pytest.approx(f1)


# --- what a treatment can do


def test_attention_is_what_scoring_measures(specimen: Specimen, context: Context) -> None:
    layers = scored_layers(specimen.num_layers)
    measured = scoring.question_attention(context, specimen.case.question, specimen.end, layers)
    np.testing.assert_allclose(specimen.attention(layers), measured[specimen.first :], rtol=2e-3, atol=1e-5)


def test_attention_of_a_question_that_sees_less_is_what_scoring_measures(
    specimen: Specimen, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "pays_per_cell", lambda _context, _num_tokens: True)
    question, layers = specimen.case.question, scored_layers(specimen.num_layers)
    seeing_all = specimen.attention(layers)
    expected = specimen.attention(layers, seen_every=SEEN_EVERY)
    unseen = unseen_tokens(specimen.num_tokens) + np.int32(specimen.first)
    measured = scoring.question_attention(context, question, specimen.end, layers, unseen)[specimen.first :]
    assert measured == pytest.approx(expected, rel=1e-2, abs=1e-4)
    assert np.abs(expected - seeing_all).sum() > 0.01 * seeing_all.sum()


def test_ours_scores_as_the_program_does_on_this_device(
    comparison: Comparison, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[int]()
    attention = Specimen.attention

    def noted(specimen: Specimen, layers: Sequence[int], **how: int) -> object:
        seen.append(how["seen_every"])
        return attention(specimen, layers, **how)

    monkeypatch.setattr(Specimen, "attention", noted)
    for pays in (True, False):
        monkeypatch.setattr(scoring, "pays_per_cell", lambda _context, _num_tokens, pays=pays: pays)
        measure(comparison, case, Trial("ours", 0.2))
    assert seen == [SEEN_EVERY, 1]


def test_deviation_is_what_scoring_measures(specimen: Specimen, context: Context) -> None:
    listed = np.flatnonzero(specimen.laid.candidates).astype(np.int32)[::3]
    token_ids, positions = specimen.laid.tokens[listed].tolist(), listed + np.int32(specimen.first)
    measured = scoring.deviation(context, token_ids, positions)
    specimen.begin(0)
    np.testing.assert_allclose(specimen.deviation(listed), measured, rtol=0.02, atol=1e-4)


def test_recomputing_in_some_layers_leaves_the_others_stale(specimen: Specimen) -> None:
    stale = specimen.rows.read(specimen.end)
    chosen = np.flatnonzero(specimen.laid.candidates).astype(np.int32)[-20:-10]
    specimen.recompute(chosen, num_layers=3)
    now, changed = specimen.rows.read(specimen.end), chosen + specimen.first
    for layer in range(specimen.num_layers):
        differing = np.flatnonzero((now.v[layer] != stale.v[layer]).any(axis=1))
        assert set(differing) <= set(changed)
        assert bool(len(differing)) == (layer in (1, 2)), "rows of layer 0 depend on the token alone"
    assert specimen.work == pytest.approx(10 * 3 / specimen.num_layers)


def test_scoring_deeper_layers_later_costs_only_the_difference(specimen: Specimen) -> None:
    specimen.attention((1,))
    specimen.attention((3,))
    specimen.attention((2,))
    assert specimen.work == pytest.approx(len(specimen.case.question))


def test_attention_lowered_without_end_is_as_good_as_hidden(comparison: Comparison, specimen: Specimen) -> None:
    sinks = np.arange(60, 70, dtype=np.int32)
    answer = list(range(100, 108))
    specimen.weaken(sinks, -np.inf)
    lowered = comparison.forced(specimen, answer)
    specimen.begin(0)
    unchanged = comparison.forced(specimen, answer)
    specimen.begin(0)
    specimen.hide(sinks)
    hidden = comparison.forced(specimen, answer)
    np.testing.assert_allclose(lowered, hidden, atol=1e-2)
    assert np.abs(unchanged - hidden).max() > 0.1


def test_states_behind_other_text_are_other_states(specimen: Specimen) -> None:
    plain = specimen.laid.stale.v[-1].copy()
    specimen.lay(specimen.order, StateKind(num_filler_tokens=len(FILLER)))
    end_of_first = specimen.first + len(specimen.case.chunks[0])
    filled = specimen.laid.stale.v[-1]
    assert (plain[:end_of_first] == filled[:end_of_first]).all(), "the first chunk stays exact"
    assert (plain[end_of_first:] != filled[end_of_first:]).any()


def test_several_states_are_laid_as_their_mean(specimen: Specimen) -> None:
    kinds, last = (StateKind(num_filler_tokens=20), StateKind(num_filler_tokens=20, filler_start=20)), -1
    rows = []
    for kind in kinds:
        specimen.lay(specimen.order, kind)
        rows.append(specimen.rows.values(specimen.laid.stale.v[last]))
    specimen.lay(specimen.order, *kinds)
    assert np.abs(rows[0] - rows[1]).max() > 0.1
    now = specimen.rows.values(specimen.rows.read(specimen.end).v[last])
    np.testing.assert_allclose(now, (rows[0] + rows[1]) / 2, atol=2e-3)


def test_a_chunk_in_the_middle_of_its_document_can_know_what_stands_before_it(specimen: Specimen) -> None:
    plain = specimen.laid.stale.v[-1].copy()
    specimen.lay(specimen.order, StateKind(num_preceding_tokens=100))
    changed = (plain != specimen.laid.stale.v[-1]).any(axis=1)[specimen.first :]
    documents = np.asarray(specimen.case.documents)
    follows = np.flatnonzero(np.diff(documents, prepend=-1) == 0)
    assert set(specimen.laid.chunk_of[changed]) == set(follows)


def test_turning_keys_is_what_a_shift_does(specimen: Specimen, frame: PromptFrame) -> None:
    """The same token's key at layer 0, at two places: one turned to the other's."""
    from engine.rotation import rotation_of

    tokens = specimen.laid.tokens
    (a, b) = np.flatnonzero(tokens == tokens[30])[[0, -1]]
    keys = specimen.rows.keys(0, specimen.end)[specimen.first :]
    rotation = rotation_of(specimen.context.model.metadata, 16, in_halves=False)
    turned = rotation.turned(keys[[a]], np.asarray([b - a], np.int32), 16)
    assert b > a
    np.testing.assert_allclose(turned, keys[[b]], atol=0.01)
    assert np.abs(keys[a] - keys[b]).max() > 0.1


def test_pooling_stays_within_a_chunk() -> None:
    ranks, chunk_of = np.asarray([0, 5, 0, 0, 0, 1], np.float32), np.asarray([0, 0, 0, 1, 1, 1], np.int32)
    assert pooled(ranks, chunk_of, 3).tolist() == [5, 5, 5, 0, 1, 1]
    assert pooled(ranks, chunk_of, 1).tolist() == ranks.tolist()
