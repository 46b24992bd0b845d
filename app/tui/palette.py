"""What the command palette offers: every action that has a key, wherever one is, and all conversations by title."""

from collections.abc import Callable, Coroutine
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from app.terminal import printable
from app.wording import counted
from storage.errors import StorageError
from storage.values import Conversation

if TYPE_CHECKING:
    from app.tui.app import SteepApp
    from app.tui.keys import KnownKey

_MOST_HITS = 20
"""Conversations that the palette lists; whoever looks for more has the conversations screen."""

_TITLE_SCORE = 0.5
"""Of 1: below an action with that name, above one that only has the letters."""


class _SteepProvider(Provider):
    @property
    def steep(self) -> "SteepApp":
        return cast("SteepApp", self.app)


class ActionProvider(_SteepProvider):
    """Actions of the app and its screens. Choosing one of another screen goes there first."""

    async def startup(self) -> None:
        from app.tui.keys import is_of_app, known_keys

        modes = self.steep.MODES
        keys = known_keys()
        self._actions = [key for key in keys if is_of_app(key) or (key.owner is modes.get(key.area))]

    async def discover(self) -> Hits:
        for key in self._actions:
            yield DiscoveryHit(_name(key), self._doing(key), help=self._help(key))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for key in self._actions:
            name = _name(key)
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), self._doing(key), text=name, help=self._help(key))

    def _help(self, key: "KnownKey") -> str:
        from app.tui.keys import shown_keys

        more = f" · {key.description}" if key.description != key.label else ""
        return f"{shown_keys(self.steep, key)}{more}"

    def _doing(self, key: "KnownKey") -> Callable[[], Coroutine[Any, Any, Any]]:
        from app.tui.keys import is_of_app

        if is_of_app(key):
            return partial(self.steep.run_action, key.action)
        return partial(self.steep.run_in, key.area, key.action)


class ConversationProvider(_SteepProvider):
    """Conversations, opened by a part of their title."""

    async def startup(self) -> None:
        try:
            self._conversations = await self.steep.look(lambda parts: parts.index.conversations())
        except StorageError as error:
            self._conversations = list[Conversation]()
            self.steep.notify(str(error), severity="error", markup=False)

    async def search(self, query: str) -> Hits:
        """Titles with all the words, the newest first: matching thousands letter by letter would stop the screen."""
        words = query.casefold().split()
        found = (item for item in self._conversations if all(word in item.title.casefold() for word in words))
        for number, item in enumerate(islice(found, _MOST_HITS)):
            title = printable(item.title)
            opening = partial(self.steep.open_conversation, item.id)
            score = _TITLE_SCORE - number / 1000
            yield Hit(score, Content(title), opening, text=title, help=f"Open · {counted(item.num_turns, 'turn')}")


def _name(key: "KnownKey") -> str:
    from app.tui.keys import is_of_app, title_of

    return key.label if is_of_app(key) else f"{title_of(key.area)}: {key.label}"
