"""The models screen."""

from textual.screen import Screen


class ModelsScreen(Screen[None]):
    """See the module."""
