"""`steep bench quality`: reading the data, the table, and the command as users start it, even if broken off."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.commands.bench_quality import passages_of, read_entries, rows_of, table
from app.errors import WrongUse
from engine.quality.comparison import Measurement
from tests.app.program import Program
from tests.tiny_model import WIDE, write_tiny_model

ENTRIES: list[dict[str, Any]] = [
    {
        "question": "Who is the captain?",
        "answers": ["Odile Marsh"],
        "ctxs": [
            {"title": "Ferry", "text": "its captain is odile marsh , who bought the ferry"},
            {"title": "", "text": "herring pies are sold at the pier until night"},
        ],
    },
    {
        "question": "Where are pies sold?",
        "answers": ["the pier"],
        "ctxs": [{"title": "", "text": "wheat is sown in october"}, {"title": "", "text": "the cats sleep all day"}],
    },
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(ENTRIES), "utf-8")
    return path


def measurement(question: int, treatment: str, ratio: float, kl: float, f1: float = 0.5) -> Measurement:
    return Measurement(
        question=question,
        treatment=treatment,
        ratio=ratio,
        kl=kl,
        agreement=0.9,
        f1=f1,
        full_f1=0.75,
        work=ratio,
        recomputed=ratio / 2,
        num_tokens=100,
        num_answer_tokens=5,
        recompute_ms=10,
        full_ms=100,
    )


def test_titles_stand_above_their_passages(data: Path):
    first, second = read_entries(data)
    assert passages_of(first)[0] == "Ferry\n\nits captain is odile marsh , who bought the ferry"
    assert passages_of(second) == ["wheat is sown in october", "the cats sleep all day"]


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '[{"question": "Who?"}]', "[1]"])
def test_data_of_another_shape_is_named(tmp_path: Path, text: str):
    path = tmp_path / "odd.json"
    path.write_text(text, "utf-8")
    with pytest.raises(WrongUse, match=r"odd\.json"):
        read_entries(path)


def test_treatments_are_compared_with_ours_question_by_question():
    measured = [measurement(i, "ours", 0.15, 0.1 * i) for i in range(4)]
    measured += [measurement(i, "epic", 0.15, 0.1 * i + 0.25) for i in range(3)]
    measured += [measurement(0, "epic", 0.05, 0.5)]
    ours, epic, epic_alone = rows_of(measured)
    assert ours.kl.value == pytest.approx(0.15)
    assert ours.kl_minus_default is None
    assert epic.kl_minus_default is not None
    assert (epic.kl_minus_default.low, epic.kl_minus_default.high) == pytest.approx((0.25, 0.25))
    assert epic_alone.kl_minus_default is None
    assert epic.f1_minus_full.value == -0.25


def test_the_table_is_markdown():
    lines = table(rows_of([measurement(0, "ours", 0.15, 0.2), measurement(0, "reuse", 0, 0.5)]))
    assert lines[2].startswith("| ours | 15% | 15.0% | 7.5% | 0.200 [0.200, 0.200] | – |")
    assert lines[3].startswith("| reuse | – | 0.0% |")
    assert len({line.count("|") for line in lines[:4]}) == 1


def test_a_run_that_was_broken_off_goes_on(program: Program, data: Path, tmp_path: Path):
    results = tmp_path / "results.jsonl"
    arguments = ("bench", "quality", "--data", str(data), "--strategies", "reuse,random", "--ratios", "0.5")
    table_of_all = program.run(*arguments, "--json", str(results)).stdout
    assert "| random | 50% |" in table_of_all
    head, *lines = results.read_text("utf-8").splitlines(keepends=True)
    assert [(json.loads(line)["question"], json.loads(line)["treatment"]) for line in lines] == [
        (0, "reuse"),
        (0, "random"),
        (1, "reuse"),
        (1, "random"),
    ]
    kept = json.loads(lines[0]) | {"kl": 77.0}
    results.write_text(f"{head}{json.dumps(kept)}\n{lines[1]}{lines[2][:20]}", "utf-8")
    program.run(*arguments, "--json", str(results))
    again = results.read_text("utf-8").splitlines(keepends=True)
    assert json.loads(again[1])["kl"] == 77, "what was there was not measured again"
    assert [json.loads(line)["kl"] for line in again[2:]] == [json.loads(line)["kl"] for line in lines[1:]]
    assert not program.home.exists(), "the user's own index was opened"


def test_what_quantised_rows_cost_counts(data: Path, tmp_path: Path):
    wide = write_tiny_model(tmp_path / "wide.gguf", turning=WIDE)
    program, kls = Program(tmp_path / "home", wide, tmp_path), dict[str, float]()
    for kv_type in ("f16", "q4_0"):
        results = tmp_path / f"{kv_type}.jsonl"
        arguments = ("--data", str(data), "--strategies", "full", "--json", str(results))
        program.run("bench", "quality", *arguments, STEEP_KV_TYPE=kv_type)
        head, *lines = map(json.loads, results.read_text("utf-8").splitlines())
        assert head.get("full_kv_type") == (None if kv_type == "f16" else "f16")
        kls[kv_type] = sum(line["kl"] for line in lines)
    assert kls["q4_0"] > 10 * kls["f16"]


def test_results_of_something_else_are_left_alone(program: Program, data: Path, tmp_path: Path):
    results = tmp_path / "results.jsonl"
    results.write_text("{}\n", "utf-8")
    complaint = program.complaint("bench", "quality", "--data", str(data), "--json", str(results), code=2)
    assert "results.jsonl" in complaint
    assert results.read_text("utf-8") == "{}\n"


@pytest.mark.parametrize(
    ("flag", "value"), [("--strategies", "magic"), ("--ratios", "much"), ("--ratios", "7"), ("--order", "magic")]
)
def test_a_wish_that_cannot_be_had_is_named(program: Program, data: Path, flag: str, value: str):
    assert value in program.complaint("bench", "quality", "--data", str(data), flag, value, code=2)
