"""The plot is SVG that shows every line with its name, also where lines end in one place."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from app.bench.pictures import picture
from app.bench.plot import Panel, PlotLine, apart, svg
from app.bench.result import Result
from app.bench.ways import FULL, REUSE, auto

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def words(root: ElementTree.Element, kind: str) -> list[str | None]:
    return [text.text for text in root.iter(f"{SVG}text") if text.get("class") == kind]


def test_every_line_has_a_name_and_its_points():
    lines = (PlotLine("a < b", ((1.0, 10.0), (10.0, 100.0), (100.0, 50.0))), PlotLine("c", ((1.0, 20.0),)))
    root = parsed(svg([Panel("A title", "x", "y", lines)]))
    assert words(root, "name") == ["a < b", "c"]
    assert words(root, "title") == ["A title"]
    assert len(list(root.iter(f"{SVG}circle"))) == 4
    (path,) = root.iter(f"{SVG}polyline")
    xs = [float(point.split(",")[0]) for point in (path.get("points") or "").split()]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2), "the axis is logarithmic"


def test_light_and_dark_pages_have_colours_of_their_own():
    text = svg([Panel("", "", "", (PlotLine("a", ((1.0, 1.0),)),))])
    assert "prefers-color-scheme: dark" in text
    assert parsed(text).find(f"{SVG}rect") is not None, "it stands on a ground of its own"


def test_one_point_is_a_plot_and_none_is_an_empty_one():
    assert len(list(parsed(svg([Panel("", "", "", (PlotLine("a", ((3.0, 7.0),)),))])).iter(f"{SVG}circle"))) == 1
    assert list(parsed(svg([Panel("", "", "", (PlotLine("a", ()),))])).iter(f"{SVG}circle")) == []


def test_a_logarithmic_axis_has_no_place_for_zero():
    with pytest.raises(ValueError, match="logarithmic"):
        PlotLine("a", ((0.0, 1.0),))


@pytest.mark.parametrize("wanted", [[10.0, 12.0, 11.0], [0.0, 0.0, 0.0, 200.0, 201.0], [300.0, 299.0], []])
def test_names_stand_apart_in_their_order_and_within_the_panel(wanted: list[float]):
    places = apart(wanted, 0.0, 300.0)
    assert sorted(range(len(wanted)), key=lambda i: wanted[i]) == sorted(range(len(wanted)), key=lambda i: places[i])
    in_order = sorted(places)
    assert all(b - a >= 16.99 for a, b in pairwise(in_order))
    assert all(0 <= place <= 300 for place in places)


def test_names_that_are_far_apart_stay_where_they_are_wanted():
    assert apart([200.0, 50.0], 0.0, 300.0) == [200.0, 50.0]


def test_a_picture_has_a_panel_for_all_sizes_or_one_for_each_when_rates_differ(make_cell):
    ways = {FULL: [1000.0], REUSE: [100.0], auto(0.15, "first"): [500.0]}
    result = Result("m.gguf", 1, "first", 0.15, 1, is_cold=False)
    result.cells = [make_cell(ways), make_cell(ways, num_tokens=2000)]
    assert words(parsed(picture(result)), "title") == ["Time to the first token, m.gguf"]
    result.cells = [make_cell(ways, num_tokens=n, rate_gbit=rate) for rate in (7.0, 25.0) for n in (1000, 2000)]
    root = parsed(picture(result))
    assert words(root, "title") == [
        "Time to the first token, m.gguf, 1,000 context tokens",
        "Time to the first token, m.gguf, 2,000 context tokens",
    ]
    assert words(root, "name") == ["full", "reuse", "auto"] * 2
