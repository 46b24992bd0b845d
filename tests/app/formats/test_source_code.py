from app.formats.source_code import extract

PYTHON = b'''"""Module."""

import os
import sys

# Says hello.
@cached(
    1,
)
def hello(
    name,
):
    print(name)

    if name:

        return 1

class A:

    def f(self): ...
'''

C = b"""#include <stdio.h>
#include <math.h>

/* The one
 * entry. */
int main(void)
{
    puts("a");

    return 0;

}
"""


def passages(data: bytes, name: str = "a.py") -> list[tuple[str, str | None]]:
    document = extract(data, name)
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def test_each_python_definition_is_a_passage_under_its_first_line():
    assert [heading for _, heading in passages(PYTHON)] == [
        '"""Module."""',
        "import os",
        "def hello(",
        "class A:",
    ]


def test_a_definition_holds_its_comment_its_decorators_and_its_blank_lines():
    text, _ = passages(PYTHON)[2]
    assert text.startswith("# Says hello.\n@cached(")
    assert text.endswith("return 1")


def test_a_closing_brace_behind_a_blank_line_belongs_to_what_it_closes():
    (include, _), (main, heading) = passages(C, "a.c")
    assert include.endswith("<math.h>")
    assert main.startswith("/* The one")
    assert main.endswith("}")
    assert heading == "int main(void)"


def test_a_heading_is_one_short_line_without_breadcrumb_separators():
    ((_, heading),) = passages(b"fn compare(a: A) if a > b { " + b"x" * 100, "a.rs")
    assert heading is not None
    assert heading.startswith("fn compare(a: A) if a>b { xxx")
    assert len(heading) == 80


def test_the_title_is_the_file_name():
    assert extract(b"x = 1", "tide_clock.py").title == "tide_clock.py"


def test_a_file_that_begins_indented_loses_nothing():
    assert passages(b"\n  x\n\n  y\n\nz\n") == [("  x\n\n  y", "x"), ("z", "z")]
