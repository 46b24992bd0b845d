"""The lines above the tree."""

from pathlib import Path

import pytest

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.indexer import FileSeen
from app.library.background import Background
from app.library.overview import Overview
from app.library.selection import Selection
from app.library.tree import add_up, build_tree
from app.search.dense import Embedded
from app.steeper import ChunkSteeped
from app.tui.library.summary import Surroundings, disk_line, documents_line, scope_line, steeping_line
from app.tui.widgets.bar import bar
from app.upkeep import Resting, Standing
from storage.values import Backlog, DocumentStage
from tests.app.library.documents import FOLDER, ROOT, standing

STAGES = dict.fromkeys(DocumentStage, 0)
READY = ModelReady("model", Path("/m.gguf"), ("f" * 32,), 8192, True, "", 1.0)


def overview(*documents, num_used_bytes: int = 0, num_budget_bytes: int = 10**9) -> Overview:
    roots = build_tree([FOLDER], documents)
    stages = STAGES | {stage: sum(each.stage == stage for each in documents) for stage in DocumentStage}
    return Overview(
        (FOLDER,),
        documents,
        roots,
        add_up(roots),
        stages,
        num_used_bytes=num_used_bytes,
        num_budget_bytes=num_budget_bytes,
    )


def steeping(background: Background, model=READY, *, watches_here: bool | None = True, width: int = 78) -> str:
    around = Surroundings(model, watches_here, Selection())
    return steeping_line(overview(standing("a.md", num_steeped_chunks=1)), background, around, width).plain


@pytest.fixture
def background() -> Background:
    clock = iter(range(1000))
    return Background(now=lambda: float(next(clock)))


def test_documents_are_counted_by_stage_and_stages_without_any_are_left_out():
    listed = overview(standing("a.md"), standing("b.md"), standing("c.md", error="is damaged"))
    assert documents_line(listed, 78).plain.endswith("○ 2 searchable  ! 1 unreadable  3 in 1 folder")
    assert documents_line(listed, 45).plain.endswith("○ 2 searchable  ! 1 unreadable")


def test_without_a_folder_the_way_to_add_one_is_told():
    assert "no folder is watched yet: a adds one" in documents_line(Overview(), 78).plain


@pytest.mark.parametrize(
    ("num_used_bytes", "words"),
    [
        (0, "░ 0 KB of 1 GB"),
        (400_000_000, "400 MB of 1 GB"),
        (900_000_000, "nearly full (budget_gb sets it)"),
        (2_000_000_000, "2 GB of 1 GB · full"),
    ],
)
def test_the_gauge_has_numbers_and_says_when_it_is_full(num_used_bytes: int, words: str):
    assert words in disk_line(overview(num_used_bytes=num_used_bytes)).plain


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ModelLoading("model"), "waits for the model"),
        (ModelFailed("", "there is none"), "needs a model: F4"),
        (ModelReady("m", Path("/m"), ("f" * 32,), 1, False, "it has recurrent memory", 1.0), "it has recurrent memory"),
        (READY, "looking through the folders"),
    ],
)
def test_without_a_model_that_can_nothing_is_steeped(background: Background, model, words: str):
    assert words in steeping(background, model)


def test_steeping_has_its_rate_the_time_it_takes_and_the_document(background: Background):
    background.note(Standing(STAGES, Backlog(10, 1000)))
    background.note(ChunkSteeped(ROOT / "notes" / "ferry.md", 500, was_encoded=True))
    text = steeping(background, width=100)
    assert " 50 % · 500 tokens/s · 1 s left · /documents/notes/ferry.md" in text
    assert "…" in steeping(background, width=76)
    assert "ferry" not in steeping(background, width=60)
    assert all(len(steeping(background, width=width)) <= width for width in range(58, 90))


def test_what_is_left_of_the_work_is_told_and_when_it_is_done(background: Background):
    background.note(Standing(STAGES, Backlog(10, 1000)))
    background.note(Resting("a question is answered"))
    assert "rests: a question is answered" in steeping(background)
    background.note(Resting(None))
    background.note(Standing(STAGES, Backlog(0, 0)))
    assert "all done" in steeping(background)


def test_reading_and_vectors_come_before_steeping(background: Background):
    background.note(Resting("documents are being read"))
    background.note(FileSeen(ROOT / "a.md", 12, 340))
    assert "12 of 340 · /documents/a.md" in steeping(background)
    background.note(Embedded(3, 9))
    assert "Vectors" in steeping(background)
    assert "3 of 9" in steeping(background)


def test_what_another_process_does_is_seen_by_its_results(background: Background):
    assert "50 % · watched by another process" in steeping(background, watches_here=False)


def test_the_restriction_counts_folders_and_files():
    listed = overview(standing("in/a.md"), standing("b.md"))
    assert "only in 1 folder and 1 file" in scope_line(listed, Selection([ROOT / "in", ROOT / "b.md"])).plain
    assert "only in 2 files" in scope_line(listed, Selection([ROOT / "b.md", ROOT / "gone.md"])).plain


def test_a_bar_is_full_only_when_all_is_done():
    assert [bar(share, 4) for share in (0, 0.01, 0.5, 0.99, 1, 2)] == ["░░░░", "█░░░", "██░░", "███░", "████", "████"]
