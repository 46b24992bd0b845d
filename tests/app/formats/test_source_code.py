import pytest

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
        "def hello",
        "class A",
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


BODY = "x" * 500

LONG_CLASS = f'''class Clock(Base):
    """Tells the time."""

    size = 1
    # The first
    # of all.

    @cached(
        1,
    )
    # Why.
    def now(self):
        if self:

            return "{BODY}"

    async def later(
        self,
    ): return "{BODY}"

    class Inner:
        y = "{BODY}"

    z = call("{BODY}")

    def last(self): ...


def free(): ...
'''


def test_long_definitions_are_read_one_level_in():
    assert [heading for _, heading in passages(LONG_CLASS.encode())] == [
        "class Clock(Base)",
        "class Clock(Base) > def now(self)",
        "class Clock(Base) > async def later",
        "class Clock(Base) > class Inner",
        "class Clock(Base) > def last(self): ...",
        "def free(): ...",
    ]


def test_comments_and_decorators_go_with_the_definition_below_them():
    texts = [text for text, _ in passages(LONG_CLASS.encode())]
    assert texts[0].endswith("# of all.")
    assert texts[1].startswith("    @cached(\n")
    assert texts[3].endswith('")')


def test_short_definitions_stay_whole():
    assert len(passages(LONG_CLASS.replace(BODY, "").encode())) == 2


def test_classes_in_namespaces_are_read_another_level_in():
    methods = "\n".join(
        f'''
        /// <summary>Counts.</summary>
        [Fact]
        public static int Count{number}<T>(List<T> a,
            int b)
        {{
            if (a.Any())
            {{
                Log("{BODY}");
            }}

            foreach (var x in a) {{ }}

            Run(a, () => {{
            }});
        }}'''
        for number in range(5)
    )
    source = f"namespace Tides\n{{\n    public class Clock\n    {{\n        int x;\n{methods}\n    }}\n}}\n"
    found = passages(source.encode(), "Clock.cs")
    clock = "namespace Tides > public class Clock"
    assert [heading for _, heading in found][:2] == ["namespace Tides", clock]
    assert len(found) == 7
    assert found[2][1] == f"{clock} > public static int Count0<T>(List<T> a,"
    assert found[2][0].startswith("        /// <summary>")


def test_methods_of_scripts_are_definitions_and_calls_in_them_are_not():
    methods = "\n".join(
        f"  run{number}(a, b) {{\n    go({{\n      x: '{BODY}',\n\n    }});\n  }}\n" for number in range(5)
    )
    found = passages(
        f"export class Clock extends Base {{\n{methods}\n  get(a) {{ return a; }}\n}}\n".encode(), "clock.js"
    )
    assert [heading for _, heading in found] == [
        "export class Clock extends Base",
        *(f"export class Clock extends Base > run{number}(a, b)" for number in range(5)),
    ]


def test_the_steps_of_a_long_function_are_no_definitions():
    steps = "\n\n".join(
        f"    value_{number} = call(\n        '{BODY}'\n    )\n\n    if value_{number}:\n        stop(1)"
        for number in range(5)
    )
    assert len(passages(f"def long():\n{steps}\n".encode())) == 1


@pytest.mark.parametrize(
    "source", ["class A:\n" + "    # c\n\n" * 50_000, "x {\n" + " {\n" * 50_000, "    @a(\n" * 50_000]
)
def test_much_that_describes_nothing_is_read(source: str):
    assert len(passages(source.encode())) == 1
