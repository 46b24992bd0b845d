"""`steep gc`: makes the states fit the budget, and says what goes, and why; or would go."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from app.budget import budget_bytes, evict, speeds_of
from app.settings import Value
from app.terminal import Terminal
from app.wiring import Parts, open_parts
from app.wording import counted, display_path, size
from storage import chunk_file
from storage.eviction import Eviction, evictions
from storage.usage import Usage, correct, measure
from storage.values import StateKey

_MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class _Waste:
    """A file that nothing uses."""

    path: Path
    num_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes."""

    budget: int
    num_used_bytes: int
    """Of all files, whatever they are."""
    waste: Sequence[_Waste]
    evicted: Sequence[Eviction]
    owners: Mapping[StateKey, tuple[Path | int, ...]]

    @property
    def num_freed_bytes(self) -> int:
        return sum(each.num_bytes for each in self.waste) + sum(each.state.num_bytes for each in self.evicted)

    @property
    def num_left_bytes(self) -> int:
        return max(self.num_used_bytes - self.num_freed_bytes, 0)


def run(flags: Mapping[str, Value | None], terminal: Terminal, *, dry_run: bool, as_json: bool) -> None:
    """List what goes, and let it go unless it is a dry run."""
    with open_parts(flags) as parts:
        usage = measure(parts.index, parts.locations.states_dir)
        plan = _plan(parts, usage)
        if not dry_run:
            correct(parts.index, parts.store, usage)
            _carry_out(plan, parts)
    if as_json:
        terminal.json(_as_json(plan, parts, dry_run=dry_run))
    else:
        _print(plan, terminal, dry_run=dry_run)


def _plan(parts: Parts, usage: Usage) -> _Plan:
    budget = budget_bytes(parts.settings, parts.locations.states_dir, usage.num_bytes)
    unlinked = set(parts.index.unlinked_states())
    may_sweep = usage.num_bytes > budget or parts.index.is_steeped()
    waste = [*_unlinked_files(parts, unlinked), *_unlisted_files(parts, usage, may_sweep=may_sweep)]
    num_left = usage.num_bytes - sum(each.num_bytes for each in waste)
    gone = unlinked.union(usage.missing)
    states = (
        replace(state, num_bytes=usage.wrong.get(state.key, state.num_bytes))
        for state in parts.index.coldest_states()
        if state.key not in gone
    )
    chosen = evictions(states, num_left - budget, int(time.time()), speeds_of(parts.index))
    return _Plan(budget, usage.num_bytes, waste, chosen, parts.index.owners(each.state.key for each in chosen))


def _unlinked_files(parts: Parts, keys: Iterable[StateKey]) -> Iterable[_Waste]:
    for key in keys:
        path = parts.store.path_of(key)
        with suppress(FileNotFoundError):
            yield _Waste(path, path.stat().st_size, "no document and no conversation uses this state any more")


def _unlisted_files(parts: Parts, usage: Usage, *, may_sweep: bool) -> Iterable[_Waste]:
    """Those of an index that was made anew are kept as long as there is room: steeping uses them again."""
    temporaries = set(chunk_file.stray_temporaries(parts.locations.states_dir))
    for path in temporaries:
        with suppress(FileNotFoundError):
            yield _Waste(path, path.stat().st_size, "a writer that was killed left this file")
    for path, num_bytes in usage.unlisted.items():
        if may_sweep and path.suffix == ".kv":
            yield _Waste(path, num_bytes, "the index does not list this file")


def _carry_out(plan: _Plan, parts: Parts) -> None:
    parts.store.purge_unlinked()
    for each in plan.waste:
        parts.store.remove_unlisted(each.path, each.reason)  # a state that somebody takes up again meanwhile stays
    evict(parts.store, plan.evicted, f"gc, for the budget of {size(plan.budget)}")


def _print(plan: _Plan, terminal: Terminal, *, dry_run: bool) -> None:
    lines = [f"{size(each.num_bytes):>8}  {display_path(each.path)}: {each.reason}" for each in plan.waste]
    lines += [_line(each, plan.owners.get(each.state.key, ())) for each in plan.evicted]
    for line in lines[:_MAX_LINES]:
        terminal.data(line)
    if len(lines) > _MAX_LINES:
        terminal.data(f"{len(lines) - _MAX_LINES:,} more; --json lists them all.")
    budget, used, left = size(plan.budget), size(plan.num_used_bytes), size(plan.num_left_bytes)
    if not lines:
        terminal.data(f"Nothing has to go: states take {used} of {budget}.")
        return
    verb = "would go" if dry_run else "went"
    counts = f"{counted(len(plan.evicted), 'state')}, {counted(len(plan.waste), 'unused file')}"
    terminal.data(f"{counts}: {size(plan.num_freed_bytes)} {verb}, of {used}; {left} of {budget} are in use then.")
    if plan.num_left_bytes > plan.budget:
        terminal.remark(
            f"That is {size(plan.num_left_bytes - plan.budget)} too much, but nothing else may go: preambles, states "
            "of pinned documents, and files that are being written. Unpin some documents, or raise budget_gb.",
            style="yellow",
        )


def _line(each: Eviction, owners: Sequence[Path | int]) -> str:
    state = each.state
    whose = ", ".join(f"conversation {owner}" if isinstance(owner, int) else display_path(owner) for owner in owners)
    return f"{size(state.num_bytes):>8}  {whose}: {each.reason} ({counted(state.num_tokens, 'token')})"


def _as_json(plan: _Plan, parts: Parts, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "budget_bytes": plan.budget,
        "used_bytes": plan.num_used_bytes,
        "freed_bytes": plan.num_freed_bytes,
        "left_bytes": plan.num_left_bytes,
        "evicted": [
            {
                "file": str(parts.store.path_of(each.state.key)),
                "documents": [str(owner) for owner in _owners(plan, each) if isinstance(owner, Path)],
                "conversations": [owner for owner in _owners(plan, each) if isinstance(owner, int)],
                "bytes": each.state.num_bytes,
                "tokens": each.state.num_tokens,
                "last_used_at": each.state.last_used_at,
                "uses": round(each.state.num_uses, 2),
                "worth": round(each.worth, 3),
                "reason": each.reason,
            }
            for each in plan.evicted
        ],
        "unused": [{"file": str(each.path), "bytes": each.num_bytes, "reason": each.reason} for each in plan.waste],
    }


def _owners(plan: _Plan, each: Eviction) -> tuple[Path | int, ...]:
    return plan.owners.get(each.state.key, ())
