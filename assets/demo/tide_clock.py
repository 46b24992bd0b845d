"""The tide clock of Port Lantern.

The tide clock hangs on the wall of the harbour office. It was built by Milo Sandor in 2028. It has one hand of
copper and a dial of slate. This program moves the hand. The clock shows how many minutes are left until the next
high tide.
"""

# The time from one high tide to the next in Port Lantern, in minutes.
MINUTES_BETWEEN_HIGH_TIDES = 745

# The water in the harbour is 5 metres deep at high tide and 2 metres deep at low tide.
DEPTH_AT_HIGH_TIDE_METRES = 5.0
DEPTH_AT_LOW_TIDE_METRES = 2.0

# The ferry Marigold needs at least 3 metres of water.
DEPTH_FOR_FERRY_METRES = 3.0


def minutes_until_high_tide(minutes_since_high_tide: int) -> int:
    """The number that the hand of the clock points to."""
    return MINUTES_BETWEEN_HIGH_TIDES - minutes_since_high_tide % MINUTES_BETWEEN_HIGH_TIDES


def bell_rings(minutes_left: int) -> bool:
    """The small bell of the clock rings 30 minutes before high tide, so that the fishers wake up."""
    return minutes_left == 30


def ferry_can_land(depth_metres: float) -> bool:
    """Whether the water is deep enough for the ferry."""
    return depth_metres >= DEPTH_FOR_FERRY_METRES
