"""`steep doctor`: is everything in order that is kept, and is gone what was purged? What can be done if not?"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.blob_structure import describe
from app.terminal import Terminal
from app.wiring import Parts, open_parts
from app.wording import counted, display_path, duration
from storage.check import StoreCheck
from storage.findings import Finding, FindingKind, Progress
from storage.values import StoreCounts

if TYPE_CHECKING:
    from app.purge_proof import Proof

_MAX_ROUNDS = 3
"""Rows that are removed leave unused states, and those may leave a folder that nobody uses."""

_MAX_LINES = 20
"""Of one kind; a folder that was deleted by hand is one finding per file."""

_FOUND_BY_READING = (
    FindingKind.DAMAGED_FILE,
    FindingKind.FOREIGN_BLOB,
    FindingKind.NEWER_FILE,
    FindingKind.UNREADABLE_FILE,
)


@dataclass(frozen=True, slots=True)
class _Diagnosis:
    """What was found, and what of it is still so; `counts` is None where the index cannot be believed."""

    findings: Sequence[Finding]
    left: Sequence[Finding]
    counts: StoreCounts | None
    milliseconds: float


def run(terminal: Terminal, *, deep: bool, repair: bool, as_json: bool) -> int:
    """Check the store, and repair it if asked to; the exit code is 1 if something is left that is not in order."""
    started = time.perf_counter()
    with open_parts({}) as parts:
        findings = left = _find(parts, terminal, deep=deep)
        if repair:
            findings, left = _repair(parts, findings, terminal)
        is_sound = all(finding.kind is not FindingKind.DAMAGED_INDEX for finding in left)
        counts = parts.index.counts() if is_sound else None
    diagnosis = _Diagnosis(findings, left, counts, (time.perf_counter() - started) * 1e3)
    if as_json:
        terminal.json(_as_json(diagnosis, deep=deep))
    else:
        _print(diagnosis, terminal, deep=deep, repair=repair)
    return 1 if left else 0


def run_purged(path: Path, terminal: Terminal, *, repair: bool, as_json: bool) -> int:
    """Prove that nothing is kept of a document or folder; the exit code is 1 if something is left."""
    from app.purge_proof import prove, purge_what_is_left

    path = path.expanduser().absolute()
    with open_parts({}) as parts:
        if repair:
            purge_what_is_left(parts)
        proof = prove(parts, path)
    if as_json:
        terminal.json(
            {
                "path": str(path),
                "gone": proof.is_gone,
                "looks": [{"place": look.place, "traces": list(look.traces)} for look in proof.looks],
                "turns_kept": proof.num_turns_kept,
                "also_in": list(proof.also_in),
            }
        )
    else:
        _print_proof(proof, terminal)
    return 0 if proof.is_gone else 1


def _print_proof(proof: "Proof", terminal: Terminal) -> None:
    for look in proof.looks:
        terminal.data(f"{'left' if look.traces else 'clear'}  {look.place}")
        for trace in look.traces[:_MAX_LINES]:
            terminal.data(f"       {trace}.")
        if len(look.traces) > _MAX_LINES:
            terminal.data(f"       {len(look.traces) - _MAX_LINES:,} more like that; --json lists them all.")
    subject = display_path(proof.path)
    terminal.data(f"Nothing of {subject} is kept." if proof.is_gone else f"Something of {subject} is still kept.")
    if proof.num_turns_kept:
        number = counted(proof.num_turns_kept, "answer")
        terminal.remark(f"{number} of conversations came from it: they are yours, and stay as long as you keep them.")
    if proof.also_in:
        terminal.remark(f"The same words are kept of {', '.join(proof.also_in)}.")
    if not proof.is_gone:
        terminal.remark("steep remove stops watching a folder; --repair clears what belongs to no document any more.")


def _find(parts: Parts, terminal: Terminal, *, deep: bool) -> list[Finding]:
    findings: list[Finding] = []
    with terminal.progress("Checking every byte" if deep else "Checking", "steps") as show:
        for event in _check_of(parts).find(deep=deep):
            match event:
                case Finding():
                    findings.append(event)
                case Progress():
                    show(event.num_done, event.num_total)
    return findings


def _check_of(parts: Parts) -> StoreCheck:
    locations = parts.locations
    private = (locations.data_dir, locations.log_file, locations.index_lock, locations.questions_dir)
    return StoreCheck(parts.index, locations.states_dir, locations.vectors_dir, private=private, describe=describe)


def _repair(parts: Parts, findings: list[Finding], terminal: Terminal) -> tuple[list[Finding], list[Finding]]:
    """All findings, those that came up on the way included, and those that are left."""
    left = findings
    for _ in range(_MAX_ROUNDS):
        mendable = {finding for finding in left if finding.can_be_mended}
        mended = mendable - _mend(parts, left, terminal)
        if not mended:
            break
        # The second check reads no files again: what reading has found stays, unless it was mended.
        stays = [each for each in left if each.kind in _FOUND_BY_READING and each not in mended]
        left = [*stays, *_find(parts, terminal, deep=False)]
        findings = list(dict.fromkeys([*findings, *left]))
    return findings, left


def _mend(parts: Parts, findings: Sequence[Finding], terminal: Terminal) -> set[Finding]:
    """Mends what can be; returns what could not, after telling why."""
    failed: set[Finding] = set()
    num_mendable = sum(finding.can_be_mended for finding in findings)
    if not num_mendable:
        return failed
    with terminal.progress(f"Repairing {counted(num_mendable, 'finding')}", "findings") as show:
        from storage.mend import StoreMender  # late: it imports numpy

        outcomes = StoreMender(parts.index, parts.locations.states_dir).mend(findings)
        for number, outcome in enumerate(outcomes, start=1):
            show(number, num_mendable)
            if outcome.failure:
                failed.add(outcome.finding)
                terminal.complaint(f"{_subject(outcome.finding)} was not repaired: {outcome.failure}")
    return failed


def _print(diagnosis: _Diagnosis, terminal: Terminal, *, deep: bool, repair: bool) -> None:
    took, counts = duration(diagnosis.milliseconds), diagnosis.counts
    if not diagnosis.findings and counts:
        states = f"{counted(counts.num_states, 'state')} ({counts.num_state_bytes / 1e6:,.1f} MB)"
        documents = counted(counts.num_documents, "document")
        terminal.data(f"Everything is in order: {states}, {documents} checked in {took}.")
        if not deep and counts.num_states:
            terminal.remark("The states themselves were not read: steep doctor --deep does that.")
        return
    left = set(diagnosis.left)
    _print_lines(diagnosis.findings, left, terminal)
    number = counted(len(diagnosis.findings), "finding")
    if repair:
        terminal.data(f"{number}, {len(diagnosis.findings) - len(left):,} repaired, in {took}.")
        return
    terminal.data(f"{number} in {took}.")
    if num_mendable := sum(finding.can_be_mended for finding in left):
        terminal.remark(f"steep doctor --repair can repair {num_mendable:,} of {len(left):,}.")


def _print_lines(findings: Iterable[Finding], left: set[Finding], terminal: Terminal) -> None:
    num_lines: Counter[FindingKind] = Counter()
    for finding in findings:
        num_lines[finding.kind] += 1
        if num_lines[finding.kind] <= _MAX_LINES:
            what_now = finding.remedy if finding in left else "Repaired"
            terminal.data(f"{_subject(finding)}: {finding.problem}. {what_now}.")
    for kind, number in num_lines.items():
        if number > _MAX_LINES:
            terminal.data(f"{number - _MAX_LINES:,} more like that ({kind.replace('_', ' ')}); --json lists them all.")


def _subject(finding: Finding) -> str:
    return display_path(finding.subject) if isinstance(finding.subject, Path) else finding.subject


def _as_json(diagnosis: _Diagnosis, *, deep: bool) -> dict[str, object]:
    counts, left = diagnosis.counts, set(diagnosis.left)
    return {
        "in_order": not left,
        "deep": deep,
        "documents": counts.num_documents if counts else None,
        "states": counts.num_states if counts else None,
        "state_bytes": counts.num_state_bytes if counts else None,
        "findings": [
            {
                "kind": finding.kind,
                "subject": str(finding.subject),
                "problem": finding.problem,
                "remedy": finding.remedy,
                "can_be_repaired": finding.can_be_mended,
                "repaired": finding not in left,
            }
            for finding in diagnosis.findings
        ],
        "ms": round(diagnosis.milliseconds, 1),
    }
