"""The answer that is being made, wherever the user is meanwhile: it goes on when another conversation is looked at."""

from dataclasses import dataclass

from app.tui.chat.turn_view import TurnView


@dataclass(slots=True)
class AnswerInMaking:
    """See the module. `conversation_id` is None until a new conversation exists for it."""

    view: TurnView
    conversation_id: int | None
    replaces: bool = False
    """Earlier turns went from the screen for it; if it fails they are still kept, and come back."""
    varies: bool = False
    """It is another answer to a question that has one."""
    text: str = ""
    """What there is of it."""
    state: str = ""
    """What is being done before there is any, in words."""

    @property
    def question(self) -> str:
        return self.view.question

    @property
    def ordinal(self) -> int:
        return self.view.ordinal

    @property
    def is_shown(self) -> bool:
        """Whether its conversation is the one on the screen."""
        return self.view.is_attached

    def say(self, state: str) -> None:
        """What is being done now."""
        self.state = state
        self.view.say(state)

    def show_read(self, num_done: int, num_total: int) -> None:
        self.view.show_read(num_done, num_total)

    async def add(self, piece: str) -> None:
        self.text += piece
        if self.is_shown:
            await self.view.add(piece)

    async def move_to(self, view: TurnView) -> None:
        """Its conversation is on the screen again, where `view` stands for it."""
        self.view = view
        if self.text:
            await view.add(self.text)
        else:
            view.say(self.state)
