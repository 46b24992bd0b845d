from pathlib import Path

import pytest

from app.wording import about, ago, counted, display_path, duration, size


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


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 KB"),
        (1, "1 KB"),
        (344_100, "345 KB"),
        (999_001, "1 MB"),
        (1_000_000, "1 MB"),
        (1_240_000, "1.2 MB"),
        (99_960_000, "100 MB"),
        (999_900_000, "1 GB"),
        (50_000_000_000, "50 GB"),
        (3_400_000_000_000, "3.4 TB"),
    ],
)
def test_sizes_have_two_or_three_digits(num_bytes: int, text: str):
    assert size(num_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (40.4, "40 s"), (200, "3 min"), (7000, "2 h"), (86400, "24 h"), (5.5 * 86400, "5 days")],
)
def test_spans_are_one_number(seconds: float, text: str):
    assert about(seconds) == text


def test_what_was_within_a_minute_was_just_now():
    assert [ago(seconds) for seconds in (-5, 59, 60)] == ["just now", "just now", "1 min ago"]
