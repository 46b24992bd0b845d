"""How the app looks: two themes of its own beside those that Textual brings.

The colours are those of tea: amber for what is active, leaf green for what is done. Every pair that text is shown in
has a contrast of 4.5 to 1 at least; colour never is the only carrier of a meaning.
"""

from textual.theme import Theme

DEFAULT_THEME = "steep-dark"

STEEP_DARK = Theme(
    name=DEFAULT_THEME,
    primary="#d99a4e",
    secondary="#8fb28c",
    accent="#e7c07b",
    success="#8fb96f",
    warning="#e0a458",
    error="#e0705f",
    foreground="#e9e2d6",
    background="#16130f",
    surface="#1d1915",
    panel="#27221c",
    boost="#302a23",
    dark=True,
    variables={
        "footer-key-foreground": "#e7c07b",
        "foreground-muted": "#b0a797",
        "text-muted": "auto 70%",
        "scrollbar": "#5c4f3f",
        "scrollbar-background": "#1d1915",
        "scrollbar-corner-color": "#1d1915",
        "border": "#5c4f3f",
        "border-blurred": "#3a332a",
        "block-cursor-background": "#d99a4e",
        "block-cursor-foreground": "#16130f",
        "input-selection-background": "#d99a4e 35%",
    },
)

STEEP_LIGHT = Theme(
    name="steep-light",
    primary="#8a5314",
    secondary="#3f6b3c",
    accent="#7a4a00",
    success="#3c6e24",
    warning="#8a5a00",
    error="#a8321f",
    foreground="#2b251d",
    background="#faf6ee",
    surface="#f3ecdf",
    panel="#e9dfcd",
    boost="#e2d6c0",
    dark=False,
    variables={
        "footer-key-foreground": "#7a4a00",
        "foreground-muted": "#5f5546",
        "text-muted": "auto 75%",
        "scrollbar": "#c0ae8d",
        "scrollbar-background": "#f3ecdf",
        "scrollbar-corner-color": "#f3ecdf",
        "border": "#a8916f",
        "border-blurred": "#cdbfa6",
        "block-cursor-background": "#8a5314",
        "block-cursor-foreground": "#faf6ee",
        "input-selection-background": "#8a5314 25%",
    },
)

OWN_THEMES = (STEEP_DARK, STEEP_LIGHT)
