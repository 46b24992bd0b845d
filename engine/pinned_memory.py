"""Memory that a GPU copies from without a detour: pages that the system does not move. Any thread."""

from functools import partial

from engine.bindings import free_buffer, new_host_buffer
from engine.buffers import Buffer, NewBuffer, pageable


def pinned(device: int) -> NewBuffer:
    """Makes buffers that `device` copies from at the speed of the bus; ordinary ones where it has no more of them."""

    def new_buffer(num_bytes: int) -> Buffer:
        found = new_host_buffer(device, num_bytes)
        return Buffer(found[1], partial(free_buffer, found[0])) if found else pageable(num_bytes)

    return new_buffer
