"""How numbers read in sentences. Pure."""


def counted(number: int, noun: str) -> str:
    """`1 chunk`, `2,345 chunks`; for nouns with a plain plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(milliseconds: float) -> str:
    """`35 ms` below a second, `1.2 s` above."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1e3 else f"{milliseconds / 1e3:,.1f} s"
