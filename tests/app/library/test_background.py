"""What goes on behind the library, from what is told."""

from pathlib import Path

import pytest

from app.indexer import FileGone, FileSeen, FolderProblem
from app.library.background import Background
from app.search.dense import Embedded
from app.steeper import ChunkSteeped, SteepingTrouble
from app.upkeep import FolderPolled, Resting, Standing, SweepDone
from storage.values import Backlog, DocumentStage

FOLDER = Path("/documents")
FILE = FOLDER / "notes" / "a.md"
STAGES = dict.fromkeys(DocumentStage, 0)


@pytest.fixture
def background() -> Background:
    clock = iter(range(1000))
    return Background(now=lambda: float(next(clock)))


@pytest.mark.parametrize(
    ("event", "is_changed"),
    [
        (FileSeen(FILE, 1, 2, was_read=True), True),
        (FileSeen(FILE, 1, 2), False),
        (FileGone(FILE), True),
        (SweepDone(2, 1, 0.1), True),
        (Standing(STAGES, Backlog(1, 100)), True),
        (ChunkSteeped(FILE, 100, was_encoded=True), False),
        (Resting("a question is answered"), False),
    ],
)
def test_it_tells_whether_the_library_became_another(background: Background, event, is_changed: bool):
    assert background.note(event) is is_changed


def test_reading_and_vectors_end_with_the_last_one(background: Background):
    background.note(FileSeen(FILE, 1, 2))
    assert background.reading == (FILE, 1, 2)
    background.note(FileSeen(FILE, 2, 2))
    assert background.reading is None
    background.note(Embedded(3, 9))
    assert background.embedding == (3, 9)
    background.note(Embedded(9, 9))
    assert background.embedding is None


@pytest.mark.parametrize("event", [SweepDone(2, 1, 0.1), Embedded(1, 9)])
def test_reading_has_ended_although_nobody_told_of_the_last_file(background: Background, event):
    background.note(FileSeen(FILE, 1, 2))
    background.note(event)
    assert background.reading is None


def test_a_rest_does_not_slow_the_rate_down(background: Background):
    background.note(Standing(STAGES, Backlog(9, 900)))
    background.note(Resting("a question is answered"))
    assert background.rest == "a question is answered"
    background.note(Resting(None))
    assert background.rest == ""
    background.note(ChunkSteeped(FILE, 100, was_encoded=True))
    assert background.progress.tokens_per_second == pytest.approx(100, rel=0.5)
    assert background.progress.path == FILE


def test_trouble_is_over_when_something_is_steeped(background: Background):
    background.note(SteepingTrouble("The disk is full."))
    assert background.trouble == "The disk is full."
    background.note(ChunkSteeped(FILE, 100, was_encoded=True))
    assert background.trouble == ""


def test_a_place_that_could_not_be_looked_at_is_a_problem_until_a_file_is_seen_in_it(background: Background):
    background.note(FolderProblem(FOLDER, "is empty"))
    assert background.problem_at(FOLDER) == "is empty"
    assert background.problem_at(FILE) == ""
    background.note(FileSeen(FILE, 1, 1))
    assert background.problem_at(FOLDER) == ""


def test_a_folder_that_cannot_be_watched_stays_so_although_its_files_are_seen(background: Background):
    background.note(FolderPolled(FOLDER, "lies on a network file system (nfs)"))
    background.note(FileSeen(FILE, 1, 1))
    assert background.problem_at(FOLDER).startswith("lies on a network file system (nfs): it is looked through")
