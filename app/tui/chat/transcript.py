"""The turns of the open conversation, one below the other; follows the end while an answer grows, unless scrolled up.

Only the last turns are made into widgets at first: earlier ones come as they are scrolled to or selected, a few at a
time, so that a conversation of hundreds of turns opens at once. With the next question those far above are put away
again: whatever is drawn and typed has to wait for the layout of all widgets.
"""

from collections.abc import Sequence

from textual.containers import VerticalScroll

from app.tui.chat.turn_view import TurnView
from storage.values import Turn

_NUM_AT_FIRST, _NUM_AT_ONCE = 12, 4
"""Turns that are made into widgets when a conversation is opened, and then at a time: about 20 ms each."""

_MOST_AT_QUESTION = 24
"""Turns that stay widgets when a question is asked; beside an answer, keys wait twice as long for 100 as for 12."""


class Transcript(VerticalScroll):
    """See the module."""

    DEFAULT_CSS = """
    Transcript { width: 1fr; height: 1fr; padding: 1 0 0 0; scrollbar-size-vertical: 1; }
    """

    def __init__(self) -> None:
        super().__init__(can_focus=False)
        self._earlier: list[Turn] = []
        self._selected: TurnView | None = None
        self._is_loading = False

    @property
    def views(self) -> list[TurnView]:
        """The turns that are widgets, in order."""
        return [child for child in self.children if isinstance(child, TurnView)]

    @property
    def selected(self) -> TurnView | None:
        """The turn that actions are about: the one that was selected, else the last."""
        if self._selected and self._selected.is_attached:
            return self._selected
        return self.views[-1] if self.views else None

    @property
    def has_selection(self) -> bool:
        """Whether a turn was selected, and is marked."""
        return self._selected is not None and self._selected.is_attached

    @property
    def last(self) -> TurnView | None:
        return self.views[-1] if self.views else None

    async def show(self, turns: Sequence[Turn]) -> None:
        """A conversation, from its end."""
        await self.empty()
        self._earlier = list(turns[:-_NUM_AT_FIRST])
        await self.mount(*(TurnView(turn.question, turn.ordinal, turn) for turn in turns[-_NUM_AT_FIRST:]))
        self.follow()
        self.call_after_refresh(self._fill)

    async def empty(self) -> None:
        self._earlier, self._selected = [], None
        await self.remove_children()

    async def begin(self, question: str, ordinal: int) -> TurnView:
        """A turn whose answer is to come, in place of any with that number or a later one."""
        self.select(None)
        for view in self.views:
            if view.ordinal >= ordinal:
                await view.remove()
        await self._put_away(self.views[:-_MOST_AT_QUESTION])
        view = TurnView(question, ordinal)
        await self.mount(view)
        self.follow()
        self.call_after_refresh(self._fill)
        return view

    def follow(self) -> None:
        """Stay at the end as the answer grows; scrolling up ends it."""
        self.anchor()

    def page(self, direction: int) -> None:
        """Up or down by what can be seen; who comes to the end follows again."""
        if direction < 0:
            self.scroll_page_up(animate=False)
        elif self.scroll_y + self.scrollable_content_region.height < self.max_scroll_y:
            self.scroll_page_down(animate=False)
        else:
            self.follow()

    # --- selecting

    def select(self, view: TurnView | None) -> None:
        """What actions are about; None: the last one, without showing it. What can be seen stays where it is."""
        for other in self.views:
            other.set_class(other is view, "-selected")
        self._selected = view

    async def select_by(self, step: int) -> None:
        """The turn that many further down; past the last one, none is selected."""
        if step < 0 and self.selected and self.selected is self.views[0]:
            await self._show_earlier()
        views, selected = self.views, self.selected
        if not views or selected is None:
            return
        start = len(views) if self._selected is None and step < 0 else views.index(selected)
        wanted = max(0, start + step)
        self.select(views[wanted] if wanted < len(views) else None)
        if self._selected:
            self.scroll_to_widget(self._selected, animate=False)

    # --- earlier turns

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 1 < old_value:
            self.call_later(self._show_earlier)

    async def _fill(self) -> None:
        """Without anything to scroll, nobody could ask for earlier turns."""
        if self._earlier and self.is_attached and self.size.height and not self.max_scroll_y:
            await self._show_earlier()
            self.call_after_refresh(self._fill)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fill)

    async def _put_away(self, views: Sequence[TurnView]) -> None:
        """The first ones, until they are scrolled to again."""
        self._earlier += [view.turn for view in views if view.turn]
        await self.remove_children(views)

    async def _show_earlier(self) -> None:
        if not self._earlier or self._is_loading:
            return
        self._is_loading = True
        try:
            turns, self._earlier = self._earlier[-_NUM_AT_ONCE:], self._earlier[:-_NUM_AT_ONCE]
            before = self.virtual_size.height
            await self.mount(*(TurnView(turn.question, turn.ordinal, turn) for turn in turns), before=0)
            self.call_after_refresh(self._keep_place, before)
        finally:
            self._is_loading = False

    def _keep_place(self, height_before: int) -> None:
        self.scroll_relative(y=self.virtual_size.height - height_before, animate=False)
