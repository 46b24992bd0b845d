"""The demo folder: small documents about one invented island, and what can be asked about them."""

from pathlib import Path

import pytest

from app.folders.scan import scan
from app.formats.registry import read_file

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"
TEXTS = {found.path.name: read_file(found.path).document.text for found in scan(DEMO).files}


def words(text: str) -> str:
    return " ".join(text.split())


def test_there_are_twelve_documents_of_four_kinds():
    assert len(TEXTS) == len(list(DEMO.iterdir())) == 12
    assert {Path(name).suffix for name in TEXTS} == {".md", ".txt", ".html", ".py"}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_each_document_is_read_in_a_moment(name: str):
    assert 150 <= len(TEXTS[name].split()) <= 330


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("lighthouse.md", "The tower is 31 metres high and has 118 steps."),
        ("saltleaf_tea.md", "Steep the tea for exactly 7 minutes."),
        ("observatory.md", "The large telescope is called Long Margaret."),
        ("thistle_farm.md", "The oldest goat is called Admiral."),
        ("welcome.md", "The mayor is Agnes Tolliver."),
        ("observatory_rules.txt", "Only red lamps are allowed in the dome."),
    ],
)
def test_one_document_answers(name: str, fact: str):
    assert fact in words(TEXTS[name])


@pytest.mark.parametrize(
    ("first", "link", "second", "answer"),
    [
        (
            ("lighthouse.md", "The lighthouse keeper is Ines Calloway."),
            "Ines Calloway",
            ("harbour_boats.txt", "Ines Calloway owns the boat Pepper Moth."),
            "Pepper Moth",
        ),
        (
            ("observatory.md", "His favourite tea is Saltleaf tea."),
            "Saltleaf tea",
            ("teahouse_menu.html", "A pot of Saltleaf tea costs 4 florins."),
            "tea costs 4 florins",
        ),
        (
            ("lamp_festival.md", "In 2031 the winner was Petra Lund."),
            "Petra Lund",
            ("people.md", "Petra Lund lives at 9 Bell Street."),
            "9 Bell Street",
        ),
        (
            ("lamp_festival.md", "It is always held on the second Saturday of October."),
            "Saturday",
            ("ferry.html", "On Saturdays the last ferry leaves at 22:45."),
            "22:45",
        ),
        (
            ("teahouse_menu.html", "The goat cheese comes from Thistle Farm."),
            "Thistle Farm",
            ("thistle_farm.md", "The farmer is Wilma Oakes."),
            "farmer is Wilma Oakes",
        ),
    ],
)
def test_two_documents_answer_together_and_neither_alone(
    first: tuple[str, str], link: str, second: tuple[str, str], answer: str
):
    for name, fact in (first, second):
        assert fact in words(TEXTS[name])
        assert link in words(TEXTS[name])
    assert answer not in words(TEXTS[first[0]])
    assert first[1] not in words(TEXTS[second[0]])
    assert answer in second[1]
    assert [name for name, text in TEXTS.items() if answer in words(text)] == [second[0]]


def test_the_keeper_is_not_called_so_in_the_register_of_boats():
    assert "lighthouse" not in TEXTS["harbour_boats.txt"].lower()
