"""Earlier questions, walked through with the arrow keys; what was being typed waits at the end. Pure."""

from collections.abc import Iterable


class QuestionHistory:
    """Newest first; `back` and `forward` say what the input is to show, or None where there is nothing further."""

    def __init__(self) -> None:
        self._questions: list[str] = []
        self._position = -1
        self._draft = ""

    def extend(self, questions: Iterable[str]) -> None:
        """Older ones than all that are known."""
        self._questions = list(dict.fromkeys((*self._questions, *questions)))

    def add(self, question: str) -> None:
        """One that was just asked."""
        self._questions = [question, *(known for known in self._questions if known != question)]
        self.leave()

    def leave(self) -> None:
        """Back to typing."""
        self._position, self._draft = -1, ""

    def back(self, typed: str) -> str | None:
        """The next older one."""
        if self._position + 1 >= len(self._questions):
            return None
        if self._position < 0:
            self._draft = typed
        self._position += 1
        return self._questions[self._position]

    def forward(self) -> str | None:
        """The next newer one, and in the end what was being typed."""
        if self._position < 0:
            return None
        self._position -= 1
        return self._questions[self._position] if self._position >= 0 else self._draft
