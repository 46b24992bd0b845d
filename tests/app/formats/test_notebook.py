import json
from typing import Any

import pytest

from app.formats.errors import Damaged, NotText
from app.formats.notebook import MAX_OUTPUT_NUM_CHARS, extract


def markdown(source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source}


def code(source: str | list[str], *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def stream(text: str | list[str]) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(**data: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {key.replace("_", "/"): value for key, value in data.items()}}


def passages(*cells: dict[str, Any], **notebook: Any) -> list[tuple[str, str | None]]:
    data = json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4} | notebook).encode()
    document = extract(data, "study.ipynb")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def texts(*cells: dict[str, Any]) -> list[str]:
    return [text for text, _ in passages(*cells)]


def test_code_stands_in_the_section_of_the_markdown_above_it():
    cells = (
        markdown(["# Tides\n", "\n", "Two a day.\n"]),
        markdown("## Data"),
        code(["x = 1\n", "y = 2"]),
        markdown("# End"),
    )
    metadata = {"language_info": {"name": "python"}}
    assert passages(*cells, metadata=metadata) == [
        ("# Tides", "Tides"),
        ("Two a day.", "Tides"),
        ("## Data", "Tides > Data"),
        ("```python\nx = 1\ny = 2\n```", "Tides > Data"),
        ("# End", "End"),
    ]


def test_the_title_is_the_first_heading_of_level_one():
    data = json.dumps({"cells": [markdown("## Part"), markdown("# Whole")]}).encode()
    assert extract(data, "study.ipynb").title == "Whole"
    assert extract(b'{"cells": []}', "study.ipynb").title == "study"


def test_an_open_fence_ends_with_its_cell():
    assert texts(markdown("```\nopen"), markdown("after")) == ["```\nopen", "after"]


def test_code_with_fences_gets_a_longer_one():
    assert texts(code("x = '''\n```\n'''")) == ["````\nx = '''\n```\n'''\n````"]


def test_printed_text_follows_its_code():
    error = {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": ["Traceback ..."]}
    cell = code("run()", stream(["a\n", "b\n"]), shown(text_plain="   x\n0  1"), error)
    assert texts(cell) == ["```\nrun()\n```", "Output:\n```\na\nb\n   x\n0  1\nKeyError: 'x'\n```"]


def test_pictures_are_left_out():
    cell = code("plot()", shown(image_png="iVBORw0", text_plain="<Figure size 640x480>"), shown(text_html="<b>x</b>"))
    assert texts(cell) == ["```\nplot()\n```"]
    picture = f"before ![](data:image/png;base64,{'A' * 1000}) after"
    assert "A" * 1000 not in "".join(texts(markdown(picture)))


def test_a_progress_bar_is_its_last_state():
    assert texts(code("", stream("10%\r50%\r100%\r\n\x1b[32mdone\x1b[0m\n"))) == ["Output:\n```\n100%\ndone\n```"]


def test_long_output_is_cut():
    (text,) = texts(code("", stream("word " * 100_000)))
    assert MAX_OUTPUT_NUM_CHARS < len(text) < MAX_OUTPUT_NUM_CHARS + 50
    assert text.endswith("...\n```")


def test_notebooks_of_2013_are_read():
    cells = [
        {"cell_type": "heading", "level": 1, "source": ["Old"]},
        {"cell_type": "code", "input": ["x"], "outputs": [{"output_type": "pyout", "text": ["1"]}]},
    ]
    data = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode()
    document = extract(data, "a.ipynb")
    assert document.text == "Old\n\n```\nx\n```\n\nOutput:\n```\n1\n```"
    assert {passage.heading for passage in document.passages} == {"Old"}


@pytest.mark.parametrize(
    "data",
    [b"not json", b'{"cells": [', b"[" * 100_000, b'{"cells": ' + b"1" * 5000 + b"}", b"[]", b"{}", b'{"cells": {}}'],
)
def test_what_is_no_notebook_says_so(data: bytes):
    with pytest.raises(Damaged, match=r"^a.ipynb is not a Jupyter notebook"):
        extract(data, "a.ipynb")


def test_binary_data_is_refused():
    with pytest.raises(NotText):
        extract(b"\x89PNG\x00", "a.ipynb")


@pytest.mark.parametrize(
    "cell",
    [
        1,
        {},
        {"cell_type": []},
        {"source": {"a": 1}},
        code("x") | {"outputs": [1, {"data": 1}, {"text": [1]}]},
        {"level": "a"},
    ],
)
def test_odd_cells_are_passed_over(cell: Any):
    assert texts(cell, markdown("after\ud800\0"))[-1] == "after\ufffd\ufffd"
