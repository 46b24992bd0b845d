"""A share as a bar of characters: readable without colour. Pure."""


def bar(share: float, num_cells: int) -> str:
    """Something that has begun shows, and only what is complete is full."""
    num_full = int(max(0.0, min(share, 1.0)) * num_cells)
    if share > 0:
        num_full = max(1, num_full)
    return "█" * num_full + "░" * (num_cells - num_full)
