"""The chat screen over a real index, a scripted assistant, and what is seen of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from app.assistant.events import AnswerFinished, AnswerPiece, AnswerStarted, ConversationOpened, ModelReady
from app.citation import Quote
from app.conversations.account import Account, Heat, MemoryFill, Source, Timing
from app.tui.app import SteepApp
from app.tui.chat.context_row import ContextRow
from app.tui.chat.question_input import QuestionInput
from app.tui.chat.screen import ChatScreen
from app.tui.chat.source_list import SourceList
from app.tui.chat.transcript import Transcript
from app.tui.chat.turn_view import TurnView
from engine.requests import Memory
from storage.values import ChunkText, Conversation, DocumentVersion, Turn
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until

READY = ModelReady("model", Path("/m.gguf"), ("0" * 32,), 32768, True, "", 1.0)

TEXT = "The ferry leaves at seven. Its captain is Odile Marsh, who keeps two cats."
SOURCE = Source(
    chunk_id=1,
    path=Path("/documents/ferry.md"),
    page=None,
    heading="Island > The ferry",
    start=0,
    end=len(TEXT),
    quote=Quote(27, 53, TEXT[27:53]),
    score=1.0,
    attention=0.62,
    num_tokens=40,
    num_kept=10,
    num_loaded=20,
    num_recomputed=10,
    heat=(Heat(31, 38, 5), Heat(42, 53, 9)),
)
OTHER = replace(SOURCE, chunk_id=2, path=Path("/documents/cats.pdf"), page=3, quote=None, attention=0.38, heat=())
ACCOUNT = Account(
    mode="blend",
    model="model",
    sources=(SOURCE, OTHER),
    timing=Timing(
        retrieve_ms=10,
        load_ms=20,
        score_ms=300,
        recompute_ms=1000,
        ttft_ms=1900,
        total_ms=3000,
        tokens_per_s=24,
        cold_ttft_ms=14000,
    ),
    num_answer_tokens=12,
    memory=MemoryFill(1000, 8192),
)


class SeenChat:
    """The screen with its pilot."""

    def __init__(self, app: SteepApp, assistant: FakeAssistant, pilot: Pilot) -> None:
        self.app, self.assistant, self.pilot = app, assistant, pilot

    @property
    def screen(self) -> ChatScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        return screen

    @property
    def input(self) -> QuestionInput:
        return self.screen.query_one(QuestionInput)

    @property
    def transcript(self) -> Transcript:
        return self.screen.query_one(Transcript)

    @property
    def turns(self) -> list[TurnView]:
        return self.transcript.views

    @property
    def source_list(self) -> SourceList:
        return self.screen.query_one(SourceList)

    @property
    def context(self) -> str:
        return str(self.screen.query_one(ContextRow).content)

    @property
    def notifications(self) -> list[str]:
        return [each.message for each in self.app._notifications]

    def words_of(self, view: TurnView) -> str:
        """Everything that a turn says outside of its answer."""
        return "\n".join(str(static.content) for static in view.query(Static))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        self.input.insert(text)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    # --- what the assistant does

    def conversation(self, title: str = "A talk") -> Conversation:
        return self.assistant.now(lambda parts: parts.index.start_conversation(title))

    async def start(self, conversation: Conversation, ordinal: int, question: str) -> None:
        """The assistant begins to answer."""
        self.assistant.tell(AnswerStarted(conversation, ordinal, question))
        await self.until(lambda: self.turns and self.turns[-1].ordinal == ordinal)

    async def answer(self, conversation: Conversation, ordinal: int, question: str, *pieces: str) -> Turn:
        """The assistant answers."""
        await self.start(conversation, ordinal, question)
        for piece in pieces:
            self.assistant.tell(AnswerPiece(piece))
        turn = Turn(conversation.id, ordinal, question, "".join(pieces), ACCOUNT.as_json(), 1)
        self.assistant.now(lambda parts: parts.index.put_turn(turn))
        memory = Memory(conversation.id, ordinal + 1, 1000, 8192, 0)
        self.assistant.tell(AnswerFinished(conversation, turn, memory))
        await self.until(lambda: self.turns and self.turns[-1].turn == turn)
        account = self.turns[-1].account
        await self.until(lambda: account and self.source_list.sources == account.sources)
        return turn

    async def open(self, conversation: Conversation, num_turns: int) -> list[Turn]:
        """A conversation of that many turns."""
        turns = [
            Turn(conversation.id, i, f"Question {i}?", f"Answer {i}.", ACCOUNT.as_json(), i) for i in range(num_turns)
        ]
        for turn in turns:
            self.assistant.now(lambda parts, turn=turn: parts.index.put_turn(turn))
        self.assistant.tell(ConversationOpened(conversation, tuple(turns)))
        await self.until(lambda: [view.turn for view in self.turns[-1:]] == turns[-1:])
        await self.until(lambda: self.source_list.sources)
        return turns


def see_chat(
    assistant: FakeAssistant,
    scenario: Callable[[SeenChat], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
    *,
    is_ready: bool = True,
) -> None:
    """Run a scenario on the chat screen, with a model unless it says otherwise."""
    app = SteepApp(assistant)

    async def on_screen(pilot: Pilot) -> None:
        if is_ready:
            app.tell(READY)
        await pilot.pause()
        await scenario(SeenChat(app, assistant, pilot))
        app.exit()  # as users do: what works behind may find its screen gone then

    piloted(app, on_screen, size)


def put_passage(assistant: FakeAssistant) -> Source:
    """`TEXT` as a document of the index; the source that it is."""

    def put(parts) -> Source:
        folder = parts.index.add_folder(Path("/documents"))
        chunk = ChunkText(0, len(TEXT), None, "Island > The ferry", TEXT, 40)
        parts.index.put_document(folder.id, DocumentVersion(SOURCE.path, 1, 1, "digest", "Ferry"), [chunk])
        return replace(SOURCE, chunk_id=parts.index.chunks(SOURCE.path)[0].id)

    return assistant.now(put)
