"""An answer as it grows."""

import random
from collections.abc import Awaitable, Callable

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from app.tui.chat.answer_view import AnswerView
from app.tui.chat.code_block import CodeBlock
from tests.app.tui.pilot import piloted, until

ANSWER = (
    "# Ferry\n\nIt leaves at *seven*.\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    "```python\nx = 1\n```\n\nDone."
)


class Page(App):
    def compose(self) -> ComposeResult:
        yield AnswerView()


def see(scenario: Callable[[AnswerView, Pilot], Awaitable[None]]) -> None:
    async def on_page(pilot: Pilot) -> None:
        await scenario(pilot.app.query_one(AnswerView), pilot)

    piloted(Page(), on_page)


CELLS = ("Static", "MarkdownTableCellContents")
"""What Textual makes of the cells of rows that come later, and at once; they look the same."""


def shape(view: AnswerView) -> list[str]:
    names = [type(widget).__name__ for widget in view.walk_children()]
    return ["cell" if name in CELLS else name for name in names]


def test_an_answer_in_pieces_ends_as_it_would_look_at_once() -> None:
    whole: list[str] = []

    async def at_once(view: AnswerView, _pilot: Pilot) -> None:
        await view.finish(ANSWER)
        whole.extend(shape(view))

    async def in_pieces(view: AnswerView, pilot: Pilot) -> None:
        chance = random.Random(7)
        at = 0
        while at < len(ANSWER):
            size = chance.randint(1, 9)
            await view.add(ANSWER[at : at + size])
            at += size
            if chance.random() < 0.3:
                await pilot.pause()
        await view.finish(ANSWER)
        assert view.source == ANSWER
        await until(pilot, lambda: shape(view) == whole)

    see(at_once)
    see(in_pieces)


def test_what_was_not_shown_yet_when_the_answer_ends_is_not_lost() -> None:
    async def scenario(view: AnswerView, _pilot: Pilot) -> None:
        for word in ("one ", "two ", "three"):
            await view.add(word)
        await view.finish("one two three")
        assert view.source == "one two three"

    see(scenario)


def test_an_answer_that_is_kept_otherwise_than_it_came_is_shown_as_it_is_kept() -> None:
    async def scenario(view: AnswerView, _pilot: Pilot) -> None:
        await view.add("one two thr")
        await view.finish("one two")
        assert view.text == view.source == "one two"

    see(scenario)


def test_control_characters_do_not_reach_the_screen() -> None:
    async def scenario(view: AnswerView, pilot: Pilot) -> None:
        await view.add("a\x1b[2Jb")
        await until(pilot, lambda: view.source)
        assert "\x1b" not in view.source

    see(scenario)


def test_long_code_gets_its_colours_when_the_answer_is_there() -> None:
    code = "\n".join(f"def f{number}(): return {number}" for number in range(80))

    async def scenario(view: AnswerView, pilot: Pilot) -> None:
        text = f"```python\n{code}\n```"
        await view.add(text)
        await until(pilot, lambda: view.query(CodeBlock))
        assert view.query_one(CodeBlock)._highlighted_code.spans == []
        await view.finish(text)
        assert view.query_one(CodeBlock)._highlighted_code.spans

    see(scenario)


def test_long_code_of_an_answer_that_was_kept_has_its_colours_at_once() -> None:
    code = "\n".join(f"def f{number}(): return {number}" for number in range(80))

    async def scenario(_view: AnswerView, pilot: Pilot) -> None:
        kept = AnswerView(f"```python\n{code}\n```")
        await pilot.app.mount(kept)
        await until(pilot, lambda: kept.query(CodeBlock))
        await until(pilot, lambda: kept.query_one(CodeBlock)._highlighted_code.spans)

    see(scenario)


def test_an_app_that_ends_while_an_answer_grows_ends() -> None:
    async def scenario(view: AnswerView, _pilot: Pilot) -> None:
        await view.add("one")

    see(scenario)
