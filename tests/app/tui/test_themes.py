"""Our themes can be read: every colour that text has, on everything that it stands on."""

import pytest
from textual.color import Color
from textual.theme import Theme

from app.settings import Settings
from app.tui.themes import DEFAULT_THEME, OWN_THEMES

TEXTS = (
    "foreground",
    "foreground-muted",
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
    "text-primary",
    "text-accent",
    "text-success",
    "text-warning",
    "text-error",
    "footer-key-foreground",
)
GROUNDS = ("background", "surface", "panel")


def luminance(color: Color) -> float:
    """As WCAG defines it."""
    parts = [value / 255 for value in color.rgb]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(text: Color, ground: Color) -> float:
    low, high = sorted((luminance(ground + text), luminance(ground)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", OWN_THEMES, ids=lambda theme: theme.name)
def test_every_text_has_enough_contrast(theme: Theme):
    colors = theme.to_color_system().generate() | theme.variables
    for text in TEXTS:
        for ground in GROUNDS:
            ratio = contrast(Color.parse(colors[text]), Color.parse(colors[ground]))
            assert ratio >= 4.5, f"{text} on {ground}: {ratio:.2f}"


def test_the_default_of_the_settings_is_one_of_ours():
    assert Settings().theme == DEFAULT_THEME
    assert DEFAULT_THEME in [theme.name for theme in OWN_THEMES]
