"""`steep bench retrieval`: reading the data, counting what was found, and the command as users start it."""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from app.commands.bench_retrieval import Case, bootstrapped, contains, measured, read_cases
from app.errors import WrongUse
from tests.app.program import Program
from tests.tiny_model import write_tiny_model

ENTRIES: list[dict[str, Any]] = [
    {
        "question": "Who is the captain of the ferry?",
        "answers": ["Odile Marsh"],
        "ctxs": [
            {"title": "Ferry", "text": "its captain is odile  marsh , who bought the ferry"},
            {"title": "", "text": "herring pies are sold at the pier"},
        ],
    },
    {
        "question": "Where are pies sold?",
        "answers": ["bakery", "the pier"],
        "ctxs": [
            {"title": "", "text": "herring pies are sold at the pier"},
            {"title": "", "text": "the cats sleep"},
        ],
    },
    {"question": "How old is she?", "answers": ["forty"], "ctxs": [{"title": "", "text": "fortyfold"}]},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(ENTRIES), "utf-8")
    return path


def test_each_passage_is_taken_once_and_questions_without_their_answer_are_left_out(data: Path):
    cases, passages = read_cases(data)
    assert [case.question for case in cases] == [ENTRIES[0]["question"], ENTRIES[1]["question"]]
    assert [sorted(case.right) for case in cases] == [
        ["Ferry\nits captain is odile  marsh , who bought the ferry"],
        ["herring pies are sold at the pier"],
    ]
    assert len(passages) == 4


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("in charles county , maryland", "Charles County", True),
        ("charles ' county", "Charles' County", True),
        ("charles countyfold", "Charles County", False),
        ("charles of county", "Charles County", False),
        ("anything", "?", False),
    ],
)
def test_an_answer_is_contained_word_by_word(text: str, answer: str, expected: bool):
    assert contains(text, answer) is expected


def test_what_is_found_and_its_share_are_counted_among_the_first_only():
    case = Case("?", frozenset("abcdefgh"))
    assert measured(case, ["x"] * 6 + ["a", "b"]) == {"found 6": 0, "share 6": 0, "found 10": 1, "share 10": 2 / 8}
    assert measured(case, list("abcdefgh"))["share 6"] == 1
    assert set(measured(case, []).values()) == {0}


def test_intervals_surround_the_mean_and_are_the_same_each_time():
    mean = bootstrapped([0, 1] * 20)
    assert mean.value == 0.5
    assert 0.3 < mean.low < 0.45 < 0.55 < mean.high < 0.7
    assert bootstrapped([0, 1] * 20) == mean
    assert bootstrapped([1.0] * 5).low == 1


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '[{"question": "Who?"}]', "[1]", json.dumps(ENTRIES[2:])])
def test_data_of_another_shape_is_named(tmp_path: Path, text: str):
    path = tmp_path / "odd.json"
    path.write_text(text, "utf-8")
    with pytest.raises(WrongUse, match=r"odd\.json"):
        read_cases(path)


def test_without_an_embedding_model_words_alone_are_measured_and_nothing_is_left(program: Program, data: Path):
    report = program.json("bench", "retrieval", "--data", str(data))
    assert (report["questions"], report["passages"], report["embedding_model"]) == (2, 4, None)
    (way,) = report["ways"]
    assert (way["name"], way["found_6"]) == ("lexical", {"mean": 1.0, "low": 1.0, "high": 1.0})
    assert report["differences"] == []
    assert not program.home.exists(), "the user's own index was opened"


def test_with_an_embedding_model_three_ways_are_compared(program: Program, data: Path, tmp_path: Path):
    model = tmp_path / "tiny-embed.gguf"
    write_tiny_model(model, pooling=gguf.PoolingType.MEAN)
    arguments = ("bench", "retrieval", "--data", str(data), "--embedding-model", str(model))
    table = program.run(*arguments).stdout.splitlines()
    assert table[-1].startswith("found n: ")
    assert table[0] == "2 questions, 4 passages, vectors of tiny-embed"
    assert [line.split("  ")[0] for line in table[2:-1]] == [
        "lexical",
        "dense",
        "hybrid",
        "hybrid - lexical",
        "hybrid - dense",
    ]


def test_data_that_is_not_there_is_named(program: Program):
    assert "nowhere.json" in program.complaint("bench", "retrieval", "--data", "nowhere.json", code=1)
