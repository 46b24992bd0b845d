"""Turns below one another: which of them are widgets, and what is seen of them while an answer grows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.assistant.events import AnswerPiece
from tests.app.tui.chat.chat_pilot import SeenChat, see_chat
from tests.app.tui.fake_assistant import FakeAssistant

LINES = "\n\n".join(f"Line {i}." for i in range(60))


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[FakeAssistant]:
    assistant = FakeAssistant(tmp_path)
    yield assistant
    assistant.close()


def is_at_end(seen: SeenChat) -> bool:
    return seen.transcript.scroll_y == seen.transcript.max_scroll_y > 0


async def begin_long_answer(seen: SeenChat) -> None:
    await seen.start(seen.conversation(), 0, "Who?")
    await more(seen)
    await seen.until(lambda: is_at_end(seen))


async def more(seen: SeenChat) -> None:
    before = seen.transcript.max_scroll_y
    seen.assistant.tell(AnswerPiece(f"\n\n{LINES}"))
    await seen.until(lambda: seen.transcript.max_scroll_y > before)


def test_the_end_is_followed_while_the_answer_grows(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await begin_long_answer(seen)
        await more(seen)
        await seen.until(lambda: is_at_end(seen))

    see_chat(assistant, scenario)


def test_who_has_scrolled_up_stays_there_while_the_answer_grows(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await begin_long_answer(seen)
        await seen.press("pageup")
        await seen.until(lambda: not is_at_end(seen))
        place = seen.transcript.scroll_y
        await more(seen)
        assert seen.transcript.scroll_y == place

    see_chat(assistant, scenario)


def test_who_has_come_back_to_the_end_follows_again(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await begin_long_answer(seen)
        await seen.press("pageup")
        await seen.until(lambda: not is_at_end(seen))
        await seen.press("pagedown", "pagedown", "pagedown")
        await seen.until(lambda: is_at_end(seen))
        await more(seen)
        await seen.until(lambda: is_at_end(seen))

    see_chat(assistant, scenario)


def test_a_click_selects_a_turn_and_moves_nothing_under_the_mouse(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.answer(conversation, 0, "Who?", LINES)
        await seen.answer(conversation, 1, "And who else?", LINES)
        await seen.until(lambda: is_at_end(seen))
        place = seen.turns[1].virtual_region.y - 8
        seen.transcript.scroll_to(y=place, animate=False)
        await seen.until(lambda: seen.transcript.scroll_y == place)
        await seen.pilot.click(seen.transcript, offset=(10, 2))
        await seen.until(lambda: seen.transcript.has_selection)
        await seen.pilot.pause()
        assert seen.transcript.selected is seen.turns[0]
        assert seen.transcript.scroll_y == place
        assert seen.input.has_focus

    see_chat(assistant, scenario)


def test_a_question_puts_turns_far_above_away_until_they_are_scrolled_to(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.open(conversation, 40)
        while seen.turns[0].ordinal:
            first = seen.turns[0].ordinal
            seen.transcript.scroll_home(animate=False)
            await seen.until(lambda first=first: seen.turns[0].ordinal < first and seen.transcript.scroll_y)
        await seen.start(conversation, 40, "Who?")
        assert [view.ordinal for view in seen.turns] == [*range(16, 41)]
        await seen.until(lambda: is_at_end(seen))
        seen.transcript.scroll_home(animate=False)
        await seen.until(lambda: [view.ordinal for view in seen.turns] == [*range(12, 41)])

    see_chat(assistant, scenario)
