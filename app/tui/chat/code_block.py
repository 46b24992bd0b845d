"""Code in an answer: in colours, where that does not hold up the screen.

Colouring looks at all of the code, whenever a word is added to it. So a longer one is plain while it grows, and gets
its colours when the answer is there.
"""

from typing import TYPE_CHECKING, cast

from textual.content import Content
from textual.widgets.markdown import MarkdownFence

if TYPE_CHECKING:
    from app.tui.chat.answer_view import AnswerView

_MOST_WHILE_GROWING, _MOST = 1_000, 50_000
"""Characters that are coloured: about 4 ms, and 200 ms."""


class CodeBlock(MarkdownFence):
    """See the module; belongs to an `AnswerView`."""

    @classmethod
    def highlight(cls, code: str, language: str, ansi: bool = False, dark: bool = False) -> Content:
        """What the base class shows at once."""
        return cls._coloured(code, language, ansi, dark, _MOST_WHILE_GROWING)

    def colour(self) -> None:
        """All of it, unless its answer still grows."""
        if len(self.code) > _MOST_WHILE_GROWING and not cast("AnswerView", self._markdown).is_growing:
            theme = self.app.current_theme
            self._highlighted_code = self._coloured(
                self.code, self.lexer, self.app.native_ansi_color, theme.dark, _MOST
            )
            self.set_content(self._highlighted_code)

    def notify_style_update(self) -> None:
        """It was just put up, or the theme is another one."""
        super().notify_style_update()
        self.colour()

    @classmethod
    def _coloured(cls, code: str, language: str, ansi: bool, dark: bool, most: int) -> Content:
        return super().highlight(code, language, ansi, dark) if len(code) <= most else Content(code)
