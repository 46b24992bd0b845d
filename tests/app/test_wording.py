from pathlib import Path

import pytest

from app.wording import counted, display_path, duration


@pytest.mark.parametrize(("number", "text"), [(0, "0 chunks"), (1, "1 chunk"), (1234, "1,234 chunks")])
def test_a_counted_noun_has_its_plural(number: int, text: str):
    assert counted(number, "chunk") == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.4, "0 ms"), (999.4, "999 ms"), (1000, "1.0 s"), (1_234_567, "1,235 s")],
)
def test_a_duration_has_the_unit_that_suits_it(milliseconds: float, text: str):
    assert duration(milliseconds) == text


def test_a_path_below_the_current_folder_is_shown_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    here = Path.cwd()
    assert display_path(here / "a" / "b.txt") == str(Path("a", "b.txt"))
    assert display_path(here.parent / "b.txt") == str(here.parent / "b.txt")
