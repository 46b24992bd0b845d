import pytest

from app.formats.headings import depth_of_start


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, None),
        ("A > B", "A > B", None),
        (None, "A", 1),
        ("A", "B", 1),
        ("A > B", "C", 1),
        ("A", None, 1),
        ("A", "A > B", 2),
        ("A > B", "A > C", 2),
        ("A > B", "A", 2),
        ("A > B > C", "A > B > D", 3),
    ],
)
def test_a_section_starts_where_breadcrumbs_part(before: str | None, after: str | None, expected: int | None):
    assert depth_of_start(before, after) == expected
