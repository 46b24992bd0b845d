"""Every action of the chat, as keys do it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Footer, Static
from textual.widgets._footer import FooterKey

from app.assistant.events import (
    AnswerFailed,
    AnswerFinished,
    AnswerPiece,
    AnswerStarted,
    ConversationOpened,
    ConversationRecalled,
    ModelFailed,
    PassagesFound,
    PromptRead,
)
from app.tui.chat.answer_view import AnswerView
from app.tui.chat.passage_screen import PassageScreen
from app.tui.chat.start_page import Beginning, StartPage, _Suggestion
from app.tui.dialogs.text_dialog import TextDialog
from engine.requests import Memory
from storage.values import DocumentStage, Turn
from tests.app.tui.chat.chat_pilot import ACCOUNT, SeenChat, put_passage, see_chat
from tests.app.tui.fake_assistant import FakeAssistant


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[FakeAssistant]:
    made = FakeAssistant(tmp_path / "home")
    yield made
    made.close()


def test_enter_asks_and_the_question_stands_there_at_once(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.type("Who is the captain?")
        await seen.press("enter")
        assert assistant.all_asked("ask") == [
            {"question": "Who is the captain?", "conversation_id": None, "ordinal": None, "scope": (), "vary": False}
        ]
        assert [view.question for view in seen.turns] == ["Who is the captain?"]
        assert seen.input.text == ""
        assert not seen.screen.query_one(StartPage).display

    see_chat(assistant, scenario)


def test_blank_input_is_not_sent(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.type("  ")
        await seen.press("enter")
        assert assistant.all_asked("ask") == []

    see_chat(assistant, scenario)


@pytest.mark.parametrize("key", ["shift+enter", "ctrl+j", "alt+enter"])
def test_a_question_may_have_several_lines(assistant: FakeAssistant, key: str) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.type("one")
        await seen.press(key)
        await seen.type("two")
        await seen.press("enter")
        assert assistant.all_asked("ask")[0]["question"] == "one\ntwo"

    see_chat(assistant, scenario)


def test_the_input_grows_up_to_eight_lines(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        assert seen.input.content_size.height == 1
        await seen.type("\n".join("abc"))
        assert seen.input.content_size.height == 3
        await seen.type("\n" * 20)
        assert seen.input.content_size.height == 8

    see_chat(assistant, scenario)


def test_an_answer_goes_through_its_stages(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.type("Who is the captain?")
        await seen.press("enter")
        conversation = seen.conversation()
        await seen.start(conversation, 0, "Who is the captain?")
        view = seen.turns[0]
        await seen.until(lambda: "looking for passages" in seen.words_of(view))
        assistant.tell(PassagesFound(3, 1))
        await seen.until(lambda: "3 passages found, 1 of them remembered" in seen.words_of(view))
        assistant.tell(PromptRead(512, 1024))
        await seen.until(lambda: "reading 512 of 1,024 tokens" in seen.words_of(view))
        assistant.tell(AnswerPiece("Odile "))
        await seen.until(lambda: view.answer == "Odile ")
        assert view.progress is None
        turn = await seen.answer(conversation, 0, "Who is the captain?", "Marsh.")
        assert len(seen.turns) == 1
        assert view.turn == turn
        assert view.answer == turn.answer
        assert "memory 1,000 of 8,192 tokens" in seen.context

    see_chat(assistant, scenario)


def test_below_an_answer_stands_what_it_was_made_from(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.answer(seen.conversation(), 0, "Who?", "Odile Marsh.")
        words = seen.words_of(seen.turns[0])
        assert "2 sources: ferry.md, The ferry 62 % · cats.pdf, page 3 38 %" in words

    see_chat(assistant, scenario)


def test_a_question_waits_for_the_model_and_says_so(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.type("Who?")
        await seen.press("enter")
        assert "waiting for the model" in seen.words_of(seen.turns[0])
        assert len(assistant.all_asked("ask")) == 1

    see_chat(assistant, scenario, is_ready=False)


def test_the_next_question_goes_to_the_same_conversation(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.answer(conversation, 0, "Who?", "Odile Marsh.")
        await seen.type("And when?")
        await seen.press("enter")
        (asked,) = assistant.all_asked("ask")
        assert (asked["conversation_id"], asked["ordinal"]) == (conversation.id, None)
        assert [view.ordinal for view in seen.turns] == [0, 1]

    see_chat(assistant, scenario)


def test_one_answer_at_a_time_and_the_next_question_stays_in_the_input(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.start(seen.conversation(), 0, "Who?")
        await seen.type("And when?")
        await seen.press("enter")
        assert assistant.all_asked("ask") == []
        assert seen.input.text == "And when?"
        assert any("Esc stops" in message for message in seen.notifications)

    see_chat(assistant, scenario)


def test_escape_stops_the_answer_and_what_there_is_stays(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.start(conversation, 0, "Who?")
        await seen.press("escape")
        assert len(assistant.all_asked("stop")) == 1
        assistant.tell(AnswerFailed(None, 0, "Who?", ""))
        await seen.until(lambda: not seen.turns)
        assert seen.input.text == "Who?"
        assert seen.screen.query_one(StartPage).display

    see_chat(assistant, scenario)


def test_a_failed_answer_says_why_and_gives_the_question_back(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.start(seen.conversation(), 0, "Who?")
        assistant.tell(AnswerFailed(None, 0, "Who?", "The disk is full."))
        await seen.until(lambda: "The disk is full." in seen.words_of(seen.turns[0]))
        assert seen.input.text == "Who?"
        await seen.press("enter")
        assert [view.question for view in seen.turns] == ["Who?"]
        assert assistant.all_asked("ask")[-1]["conversation_id"] is None
        assistant.tell(AnswerFailed(None, 0, "Who?", "Still full."))
        await seen.until(lambda: seen.turns[0].failure)
        await seen.press("ctrl+n")
        await seen.until(lambda: not seen.turns)

    see_chat(assistant, scenario)


def test_what_was_typed_meanwhile_is_not_overwritten_by_a_question_that_comes_back(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.start(seen.conversation(), 0, "Who?")
        await seen.type("Something else")
        assistant.tell(AnswerFailed(None, 0, "Who?", "No."))
        await seen.until(lambda: seen.turns[0].failure)
        assert seen.input.text == "Something else"

    see_chat(assistant, scenario)


def test_ctrl_r_asks_for_another_answer_in_place_of_the_last(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.open(conversation, 2)
        await seen.press("ctrl+r")
        (asked,) = assistant.all_asked("ask")
        assert (asked["question"], asked["ordinal"], asked["vary"]) == ("Question 1?", 1, True)
        assert [view.turn is None for view in seen.turns] == [False, True]

    see_chat(assistant, scenario)


def test_ctrl_e_edits_the_last_question_in_place(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 2)
        await seen.press("ctrl+e")
        assert seen.input.text == "Question 1?"
        assert "editing question 2" in seen.context
        await seen.type(" Really?")
        await seen.press("enter")
        (asked,) = assistant.all_asked("ask")
        assert (asked["question"], asked["ordinal"], asked["vary"]) == ("Question 1? Really?", 1, False)

    see_chat(assistant, scenario)


def test_escape_leaves_editing(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 1)
        await seen.press("ctrl+e", "escape")
        assert seen.input.text == ""
        assert "editing" not in seen.context
        await seen.type("New?")
        await seen.press("enter")
        assert assistant.all_asked("ask")[0]["ordinal"] is None

    see_chat(assistant, scenario)


def test_editing_an_earlier_question_makes_a_branch_so_that_nothing_is_lost(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        turns = await seen.open(conversation, 3)
        await seen.press("alt+up", "alt+up", "ctrl+e")
        assert assistant.all_asked("branch") == [{"conversation_id": conversation.id, "num_turns": 1}]
        branch = seen.conversation("A branch")
        assistant.tell(ConversationOpened(branch, tuple(turns[:1])))
        await seen.until(lambda: seen.input.text == "Question 1?")
        assert [view.question for view in seen.turns] == ["Question 0?"]

    see_chat(assistant, scenario)


def test_editing_the_first_of_several_questions_begins_a_new_conversation_with_it(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 2)
        await seen.press("alt+up", "alt+up", "ctrl+e")
        await seen.until(lambda: not seen.turns)
        assert seen.input.text == "Question 0?"
        assert seen.app.conversation_id is None

    see_chat(assistant, scenario)


def test_a_replaced_turn_comes_back_when_its_new_answer_fails(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.open(conversation, 2)
        await seen.press("ctrl+r")
        assistant.tell(AnswerFailed(conversation, 1, "Question 1?", "No."))
        await seen.until(lambda: assistant.all_asked("open_conversation"))
        assert assistant.all_asked("open_conversation") == [{"conversation_id": conversation.id}]
        assert seen.input.text == ""

    see_chat(assistant, scenario)


def test_a_question_that_was_edited_is_being_edited_again_when_its_answer_fails(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        turns = await seen.open(conversation, 2)
        await seen.press("ctrl+e")
        await seen.type(" Really?")
        await seen.press("enter")
        assistant.tell(AnswerFailed(conversation, 1, "Question 1? Really?", "No."))
        await seen.until(lambda: assistant.all_asked("open_conversation"))
        assistant.tell(ConversationOpened(conversation, tuple(turns)))
        await seen.until(lambda: "editing question 2" in seen.context)
        assert seen.input.text == "Question 1? Really?"
        await seen.press("enter")
        assert assistant.all_asked("ask")[-1]["ordinal"] == 1

    see_chat(assistant, scenario)


def test_ctrl_b_goes_on_elsewhere_from_the_selected_turn(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.open(conversation, 3)
        await seen.press("alt+up", "alt+up", "ctrl+b")
        assert assistant.all_asked("branch") == [{"conversation_id": conversation.id, "num_turns": 2}]

    see_chat(assistant, scenario)


def test_ctrl_y_copies_the_answer_of_the_selected_turn(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 2)
        await seen.press("ctrl+y")
        assert seen.app.clipboard == "Answer 1."
        await seen.press("alt+up", "alt+up", "ctrl+y")
        assert seen.app.clipboard == "Answer 0."

    see_chat(assistant, scenario)


def test_ctrl_x_exports_to_a_file_and_never_over_one(
    assistant: FakeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation("About: Tea/Leaves"), 2)
        await seen.press("ctrl+x")
        await seen.until(lambda: isinstance(seen.app.screen, TextDialog))
        await seen.press("enter")
        await seen.until(lambda: (tmp_path / "about-tea-leaves.md").exists())
        assert "## Question 0?" in (tmp_path / "about-tea-leaves.md").read_text("utf-8")
        await seen.press("ctrl+x")
        await seen.until(lambda: isinstance(seen.app.screen, TextDialog))
        await seen.press("enter")
        assert isinstance(seen.app.screen, TextDialog), "a file is not overwritten"
        await seen.press("end", "backspace", "backspace", *"json", "enter")
        await seen.until(lambda: (tmp_path / "about-tea-leaves.json").exists())
        told = json.loads((tmp_path / "about-tea-leaves.json").read_text("utf-8"))
        assert [turn["answer"] for turn in told["turns"]] == ["Answer 0.", "Answer 1."]

    see_chat(assistant, scenario)


def test_arrows_at_the_edges_of_the_input_walk_through_earlier_questions(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 2)
        await seen.press("up")
        await seen.until(lambda: seen.input.text == "Question 1?")
        await seen.press("up")
        assert seen.input.text == "Question 0?"
        await seen.press("up")
        assert seen.input.text == "Question 0?"
        await seen.press("down", "down")
        assert seen.input.text == ""

    see_chat(assistant, scenario)


def test_what_is_typed_survives_a_walk_through_the_history(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.type("first")
        await seen.press("enter")
        assistant.tell(AnswerFailed(None, 0, "first", ""))
        await seen.until(lambda: seen.input.text == "first")
        seen.input.show("half a question")
        await seen.press("up")
        assert seen.input.text == "first"
        await seen.press("down")
        assert seen.input.text == "half a question"

    see_chat(assistant, scenario)


def test_ctrl_s_goes_to_the_sources_and_enter_shows_the_passage(assistant: FakeAssistant) -> None:
    source = put_passage(assistant)

    async def scenario(seen: SeenChat) -> None:
        await seen.answer(seen.conversation(), 0, "Who?", "Odile Marsh.")
        await seen.press("ctrl+s")
        assert seen.source_list.has_focus
        assert seen.source_list.sources[0].path == source.path
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, PassageScreen))
        await seen.until(lambda: "Odile Marsh" in str(seen.app.screen.query_one("#passage-text", Static).content))
        await seen.press("n")
        await seen.until(
            lambda: "changed or removed" in str(seen.app.screen.query_one("#passage-notice", Static).content)
        )
        await seen.press("escape", "escape")
        await seen.until(lambda: seen.input.has_focus)

    see_chat(assistant, scenario)


def test_at_80_columns_the_sources_take_no_room_until_they_are_asked_for(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.answer(seen.conversation(), 0, "Who?", "Odile Marsh.")
        panel = seen.screen.query_one("#chat-sources")
        assert panel.size.height == 0
        await seen.press("ctrl+s")
        await seen.until(lambda: panel.size.height > 3)
        await seen.press("escape")
        await seen.until(lambda: panel.size.height == 0)

    see_chat(assistant, scenario)


def test_escape_leads_back_from_the_sources_before_it_stops_anything(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.answer(conversation, 0, "Who?", "Odile Marsh.")
        await seen.press("ctrl+s")
        assert seen.screen.active_bindings["escape"].binding.description == "Back"
        await seen.press("escape")
        assert seen.input.has_focus
        assert "escape" not in seen.screen.active_bindings

    see_chat(assistant, scenario)


def test_sources_that_were_left_by_a_click_are_put_away_by_escape(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.answer(seen.conversation(), 0, "Who?", "Odile Marsh.")
        await seen.press("ctrl+s")
        panel = seen.screen.query_one("#chat-sources")
        await seen.until(lambda: panel.size.height)
        await seen.pilot.click(seen.input)
        assert seen.input.has_focus
        await seen.press("escape")
        await seen.until(lambda: not panel.size.height)

    see_chat(assistant, scenario)


def test_at_120_columns_the_sources_stand_beside_the_answer(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.answer(seen.conversation(), 0, "Who?", "Odile Marsh.")
        panel = seen.screen.query_one("#chat-sources")
        await seen.until(lambda: panel.region.x > 70)

    see_chat(assistant, scenario, (120, 40))


def test_o_opens_a_source_and_says_when_it_is_gone(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.answer(seen.conversation(), 0, "Who?", "Odile Marsh.")
        await seen.press("ctrl+s", "o")
        assert any("no longer there" in message for message in seen.notifications)

    see_chat(assistant, scenario)


def test_a_source_opens_in_the_editor_at_the_line_of_its_quote(
    assistant: FakeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from tests.app.tui.chat.chat_pilot import SOURCE

    document = tmp_path / "ferry.md"
    document.write_text(f"# Ferry\n\n{SOURCE.quote and SOURCE.quote.text}\n", "utf-8")
    monkeypatch.setenv("VISUAL", "vi")
    opened = []
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("app.tui.opening.run", opened.append)

    async def scenario(seen: SeenChat) -> None:
        await seen.pilot.pause()
        monkeypatch.setattr(type(seen.app), "suspend", lambda self: _nothing())
        seen.screen._open_source(replace(SOURCE, path=document))
        assert [opening.argv for opening in opened] == [("vi", "+3", str(document))]

    see_chat(assistant, scenario)


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


def test_the_scope_is_shown_and_goes_with_the_question(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        seen.app.scope = (Path("/documents/ferry.md"),)
        await seen.until(lambda: "only from ferry.md" in seen.context)
        await seen.type("Who?")
        await seen.press("enter")
        assert assistant.all_asked("ask")[0]["scope"] == (Path("/documents/ferry.md"),)

    see_chat(assistant, scenario)


def test_a_long_conversation_shows_its_end_and_earlier_turns_on_the_way_up(
    assistant: FakeAssistant,
) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 30)
        assert len(seen.turns) < 20
        first = seen.turns[0].ordinal
        seen.transcript.scroll_home(animate=False)
        await seen.until(lambda: seen.turns[0].ordinal < first)
        for _ in range(30):
            await seen.press("alt+up")
        await seen.until(lambda: seen.transcript.selected and seen.transcript.selected.ordinal == 0)

    see_chat(assistant, scenario)


def test_a_memory_that_could_not_be_recalled_is_told(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation()
        await seen.open(conversation, 1)
        assistant.tell(ConversationRecalled(conversation.id, None, "its file was damaged"))
        await seen.until(lambda: "its file was damaged" in seen.context)

    see_chat(assistant, scenario)


def test_a_new_conversation_is_empty(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 2)
        await seen.press("ctrl+n")
        await seen.until(lambda: not seen.turns)
        await seen.type("Who?")
        await seen.press("enter")
        assert assistant.all_asked("ask")[0]["conversation_id"] is None

    see_chat(assistant, scenario)


def test_suggested_questions_are_asked_at_a_press(assistant: FakeAssistant) -> None:
    put_passage(assistant)

    async def scenario(seen: SeenChat) -> None:
        page = seen.screen.query_one(StartPage)
        await seen.until(lambda: page.query("Button"))
        await seen.pilot.click("StartPage Button")
        await seen.until(lambda: assistant.all_asked("ask"))
        assert "Ferry" in str(assistant.all_asked("ask")[0]["question"])

    see_chat(assistant, scenario)


def test_suggested_questions_that_stay_keep_the_focus_and_others_replace_them(assistant: FakeAssistant) -> None:
    put_passage(assistant)

    async def scenario(seen: SeenChat) -> None:
        page = seen.screen.query_one(StartPage)
        await seen.until(lambda: page.query("Button"))
        first = page.query("Button").first()
        seen.screen.set_focus(first)
        stages = dict.fromkeys(DocumentStage, 0) | {DocumentStage.STEEPED: 7}
        await page.show(Beginning(stages, tuple(each.question for each in page.query(_Suggestion))))
        assert seen.app.focused is first
        assert "7 documents" in str(page.query_one("#start-documents", Static).content)
        await page.show(Beginning(stages, ("Why?", "When?")))
        assert [each.question for each in page.query(_Suggestion)] == ["Why?", "When?"]

    see_chat(assistant, scenario)


def test_markup_and_escapes_of_models_and_documents_are_text(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.answer(seen.conversation(), 0, "[red]Who[/red]\x1b[2J?", "[bold]Odile[/bold]\x1b[2J")
        assert "[red]Who[/red]\ufffd[2J?" in seen.words_of(seen.turns[0])
        assert "[bold]Odile[/bold]" in seen.turns[0].query_one(AnswerView).source

    see_chat(assistant, scenario)


def test_links_of_answers_lead_to_web_pages_only(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    from textual.widgets import Markdown

    opened: list[str] = []

    async def scenario(seen: SeenChat) -> None:
        monkeypatch.setattr(seen.app, "open_url", lambda url, new_tab=True: opened.append(url))
        await seen.answer(seen.conversation(), 0, "Who?", "[a](https://example.org) [b](file:///etc/passwd)")
        view = seen.turns[0].query_one(AnswerView)
        for href in ("https://example.org", "file:///etc/passwd"):
            view.post_message(Markdown.LinkClicked(view, href))
        await seen.until(lambda: seen.notifications)
        assert opened == ["https://example.org"]

    see_chat(assistant, scenario)


def test_a_model_that_failed_leaves_the_input_usable(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        assistant.tell(ModelFailed("m", "The file is gone."))
        await seen.type("Who?")
        await seen.press("enter")
        assistant.tell(AnswerFailed(None, 0, "Who?", "The file is gone."))
        await seen.until(lambda: "The file is gone." in seen.words_of(seen.turns[0]))
        assert seen.input.text == "Who?"

    see_chat(assistant, scenario, is_ready=False)


def test_an_answer_goes_on_while_a_new_conversation_is_begun(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        conversation = seen.conversation("A talk")
        await seen.start(conversation, 0, "Who?")
        await seen.press("ctrl+n")
        await seen.until(lambda: not seen.turns)
        assistant.tell(AnswerPiece("Odile"))
        turn = Turn(conversation.id, 0, "Who?", "Odile", ACCOUNT.as_json(), 1)
        assistant.tell(AnswerFinished(conversation, turn, Memory(conversation.id, 1, 1000, 8192, 0)))
        await seen.until(lambda: any("A talk” has its answer" in message for message in seen.notifications))
        assert seen.turns == []
        assert "memory" not in seen.context
        await seen.type("New?")
        await seen.press("enter")
        assert assistant.all_asked("ask")[-1]["conversation_id"] is None

    see_chat(assistant, scenario)


def test_a_question_that_is_begun_with_after_its_conversation_was_left_does_not_call_it_back(
    assistant: FakeAssistant,
) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.type("Who?")
        await seen.press("enter")
        await seen.until(lambda: seen.turns)
        await seen.press("ctrl+n")
        await seen.until(lambda: not seen.turns)
        conversation = seen.conversation()
        assistant.tell(AnswerStarted(conversation, 0, "Who?"))
        assistant.tell(AnswerFailed(conversation, 0, "Who?", "The disk is full."))
        await seen.until(lambda: any("“Who?”: The disk is full." in message for message in seen.notifications))
        assert seen.app.conversation_id is None
        assert seen.input.text == ""

    see_chat(assistant, scenario)


def test_the_answer_of_a_conversation_that_was_left_does_not_come_into_another_one(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        first, second = seen.conversation("First"), seen.conversation("Second")
        await seen.start(first, 0, "Who?")
        await seen.open(second, 1)
        assistant.tell(AnswerPiece("Odile"))
        await seen.type("Another?")
        await seen.press("enter")
        assert assistant.all_asked("ask") == []
        assert any("in another conversation" in message for message in seen.notifications)
        assert [view.answer for view in seen.turns] == ["Answer 0."]
        await seen.press("escape")
        assert len(assistant.all_asked("stop")) == 1

    see_chat(assistant, scenario)


def test_who_comes_back_finds_the_answer_as_far_as_it_is(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        first, second = seen.conversation("First"), seen.conversation("Second")
        await seen.start(first, 0, "Who?")
        assistant.tell(AnswerPiece("Odile "))
        await seen.until(lambda: seen.turns[-1].answer == "Odile ")
        await seen.open(second, 1)
        assistant.tell(ConversationOpened(first, ()))
        await seen.until(lambda: [view.question for view in seen.turns] == ["Who?"])
        await seen.until(lambda: seen.turns[-1].answer == "Odile ")
        await seen.answer(first, 0, "Who?", "Marsh.")
        assert seen.turns[-1].turn

    see_chat(assistant, scenario)


def test_who_comes_back_before_the_first_word_sees_what_is_being_done(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        first, second = seen.conversation("First"), seen.conversation("Second")
        await seen.start(first, 0, "Who?")
        await seen.open(second, 1)
        assistant.tell(PassagesFound(3, 0))
        assistant.tell(ConversationOpened(first, ()))
        await seen.until(lambda: [view.question for view in seen.turns] == ["Who?"])
        await seen.until(lambda: "3 passages found" in seen.words_of(seen.turns[-1]))

    see_chat(assistant, scenario)


def test_a_question_of_the_first_steps_opens_a_conversation_of_its_own(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation("Open"), 2)
        await seen.start(seen.conversation("Suggested"), 0, "What is it about?")
        assert [view.question for view in seen.turns] == ["What is it about?"]
        await seen.until(lambda: seen.app.conversation_title == "Suggested")

    see_chat(assistant, scenario)


def test_a_failed_answer_names_ways_on_that_can_be_clicked(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.start(seen.conversation(), 0, "Who?")
        assistant.tell(AnswerFailed(None, 0, "Who?", "The disk is full."))
        await seen.until(lambda: "Try again (ctrl+r)" in seen.words_of(seen.turns[0]))
        await seen.pilot.click(".turn-ways-on", offset=(2, 0))
        await seen.until(lambda: assistant.all_asked("ask"))
        assert assistant.all_asked("ask")[0]["question"] == "Who?"

    see_chat(assistant, scenario)


def test_ctrl_g_asks_all_documents_again(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        seen.app.scope = (Path("/documents/ferry.md"),)
        await seen.press("ctrl+g")
        assert seen.app.scope == ()
        assert "only from" not in seen.context

    see_chat(assistant, scenario)


def test_earlier_turns_come_by_themselves_where_there_is_nothing_to_scroll(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        await seen.open(seen.conversation(), 20)
        await seen.until(lambda: len(seen.turns) == 20)

    see_chat(assistant, scenario, (120, 200))


def test_stop_is_offered_when_there_is_something_to_stop(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        assert "escape" not in seen.screen.active_bindings
        await seen.start(seen.conversation(), 0, "Who?")
        assert "escape" in seen.screen.active_bindings

    see_chat(assistant, scenario)


def test_at_80_columns_every_key_of_the_footer_can_be_seen(assistant: FakeAssistant) -> None:
    async def scenario(seen: SeenChat) -> None:
        footer = seen.screen.query_one(Footer)
        await seen.until(lambda: any(key.key == "ctrl+q" for key in footer.query(FooterKey)))
        assert footer.max_scroll_x == 0

    see_chat(assistant, scenario)
