"""App-wide messages. The assistant's threads reach the screens through the one below and in no other way."""

from textual.message import Message

from app.assistant.events import AssistantEvent


class AssistantTold(Message, bubble=False):
    """Something the assistant tells; the app gives it to every screen that is open."""

    def __init__(self, event: AssistantEvent) -> None:
        super().__init__()
        self.event = event
