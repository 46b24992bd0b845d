"""`steep gc` and the budget, as users see them."""

import os
import time
from pathlib import Path

import pytest

from storage.index import Index
from tests.app.conftest import write_documents
from tests.app.program import Program


@pytest.fixture
def steeped(tmp_path: Path, tiny_model: Path) -> Program:
    """Documents that no answer has used: others ask of those that are shared."""
    folder = tmp_path / "documents"
    folder.mkdir()
    program = Program(tmp_path / "home", tiny_model, write_documents(folder))
    program.run("add", ".")
    program.run("index")
    return program


def states(program: Program) -> dict[Path, int]:
    files = (program.home / "data" / "kv").glob("*/*/*.kv")
    return {path: path.stat().st_size for path in files}


def bytes_for_the_first_place(program: Program) -> int:
    with Index(program.home / "data" / "index.sqlite3") as index:
        kept = index.coldest_states()
    return sum(state.num_bytes for state in kept if state.key.fingerprint != program.fingerprint())


def log(program: Program) -> str:
    return (program.home / "data" / "steep.log").read_text("utf-8")


def test_what_fits_the_budget_stays(steeped: Program):
    before = states(steeped)
    report = steeped.json("gc")
    assert (report["evicted"], report["unused"], report["freed_bytes"]) == ([], [], 0)
    assert report["used_bytes"] == report["left_bytes"] == sum(before.values())
    assert "Nothing has to go" in steeped.run("gc").stdout
    assert states(steeped) == before


def test_a_dry_run_lists_what_would_go_and_removes_nothing(steeped: Program):
    before = states(steeped)
    budget = f"{(sum(before.values()) - 1) / 1e9:.9f}"
    report = steeped.json("gc", "--dry-run", "--budget-gb", budget)
    (gone,) = report["evicted"]
    assert (report["dry_run"], len(gone["documents"]), gone["uses"]) == (True, 1, 0)
    assert Path(gone["documents"][0]).is_relative_to(steeped.folder)
    assert report["freed_bytes"] == gone["bytes"] == before[Path(gone["file"])]
    assert "no answer has used it" in gone["reason"]
    text = steeped.run("gc", "--dry-run", "--budget-gb", budget).stdout
    assert "no answer has used it" in text
    assert "would go" in text
    assert states(steeped) == before


def test_what_is_evicted_is_still_found_computed_again_and_on_record(steeped: Program):
    before = states(steeped)
    budget = f"{(sum(before.values()) - bytes_for_the_first_place(steeped) - 1) / 1e9:.9f}"
    *for_the_first_place, gone = evicted = steeped.json("gc", "--budget-gb", budget)["evicted"]
    assert before.keys() - states(steeped).keys() == {Path(each["file"]) for each in evicted}
    assert len(for_the_first_place) == 3, "which go first"
    assert f"/{steeped.fingerprint()}/" in gone["file"]
    assert f"Evicted {gone['file']}" in log(steeped)
    status = steeped.json("status")
    assert (status["chunks"], status["steeped_chunks"]) == (3, 2)
    answer = steeped.ask("When does the ferry leave?", "--no-steep")
    computed = {source["path"] for source in answer["sources"] if source["computed"]}
    assert computed.issuperset(gone["documents"])
    assert len(computed) <= 2, "it, and the first of the prompt"
    assert steeped.json("doctor")["findings"] == []


def test_what_an_answer_used_goes_last(steeped: Program):
    with Index(steeped.home / "data" / "index.sqlite3") as index:
        index._connection.execute("UPDATE states SET num_hits = 0")
    steeped.ask("When does the ferry leave?", "--in", "ferry.md")
    used = str(steeped.folder / "ferry.md")
    report = steeped.json("gc", "--dry-run", "--budget-gb", "0.000001")
    assert report["evicted"][-1]["documents"] == [used]
    assert [each["uses"] for each in report["evicted"]] == [0, 0, 1] * 2, "those for the first place before all others"
    assert "counting 1.0 times" in report["evicted"][-1]["reason"]


def test_nothing_of_a_pinned_document_goes_and_that_it_is_too_much_is_said(steeped: Program):
    pinned = steeped.folder / "cats.txt"
    with Index(steeped.home / "data" / "index.sqlite3") as index:
        index.pin([pinned], True)
    assert len(steeped.json("gc", "--dry-run", "--budget-gb", "0.000001")["evicted"]) == 4
    done = steeped.run("gc", "--budget-gb", "0.000001")
    assert "too much, but nothing else may go" in done.stderr
    assert len(states(steeped)) == 4, "the pinned one's and what they are encoded behind"
    assert [document["documents"] for document in steeped.json("gc", "--budget-gb", "0.000001")["evicted"]] == []


def test_files_that_nothing_uses_go_too(steeped: Program):
    fingerprint = next(iter(states(steeped))).parent.parent
    old = time.time() - 7200
    strays = [fingerprint / "aa" / f"{'aa' * 20}.kv", fingerprint / f".{'aa' * 20}.kv.1.{'0' * 16}.tmp"]
    for path in strays:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"nobody's")
        os.utime(path, (old, old))
    reasons = {each["file"]: each["reason"] for each in steeped.json("gc", "--dry-run")["unused"]}
    assert reasons.keys() == set(map(str, strays))
    report = steeped.json("gc")
    assert len(report["unused"]) == 2
    assert not any(path.exists() for path in strays)
    assert all(f"Removed {path}" in log(steeped) for path in strays)


def test_indexing_beyond_the_budget_stops_with_a_notice_and_goes_on_with_more(steeped: Program):
    budget = sum(states(steeped).values()) - bytes_for_the_first_place(steeped) - 1000
    assert len(steeped.json("gc", "--budget-gb", "0.000001")["evicted"]) == 6
    for _ in range(2):  # the second time there is nothing to do
        done = steeped.run("index", "--budget-gb", f"{budget / 1e9:.9f}")
        assert "KB is full of what " in done.stderr
        assert " is worth as much: 1 chunk will be computed only when asked for" in done.stderr
        assert "raise budget_gb or remove folders" in done.stderr
        assert steeped.json("status")["steeped_chunks"] == 2
        assert sum(states(steeped).values()) <= budget
    assert "budget" not in steeped.run("index").stderr
    assert steeped.json("status")["steeped_chunks"] == 3


def test_a_smaller_budget_takes_effect_with_the_next_index(steeped: Program):
    budget = sum(states(steeped).values()) - 1000
    done = steeped.run("index", "--budget-gb", f"{budget / 1e9:.9f}")
    assert sum(states(steeped).values()) <= budget
    assert "states took more than the budget" in log(steeped)
    assert "is full" not in done.stderr, "what was evicted is not missed in the same run"
    assert steeped.json("doctor")["findings"] == []


def test_a_budget_that_is_no_number_of_gigabytes_is_refused(steeped_home: Program):
    assert "budget_gb must lie between 0 and" in steeped_home.run("gc", "--budget-gb", "-1", code=2).stderr
