"""A harness, not a test: a steady stream of edits beside `steep watch`, with questions asked meanwhile.

    python -m tests.check_edits [--seconds 600] [--rate 5] [--model FILE]

Watches a folder of stable documents (the demo's) and changing ones, steeps them, and measures the time to the first
token of a question while nothing happens. Then files are edited, created, renamed and deleted at the given rate, and
the same question is asked again and again. At the end everything has to fit together: each file's text in the index,
every chunk with its state, and `steep doctor --deep` without findings. Exit code 1 if something does not.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.index import Index
from storage.values import DocumentStage

ROOT = Path(__file__).resolve().parent.parent
QUESTION = "Who is the captain of the ferry?"
WORDS = ["tide", "rope", "harbour", "goat", "lantern", "bread", "salt", "anchor", "meadow", "clock", "letter", "bridge"]
NUM_CHANGING = 60
MAX_RATIO = 1.2
MAX_SAVE_SECONDS = 2.0


class Installation:
    """A home of its own, and the program in it."""

    def __init__(self, home: Path, model: Path | None) -> None:
        self.home = home
        home.mkdir(parents=True)
        self.environment = {**os.environ, "STEEP_HOME": str(home), "STEEP_GATE": "false"} | (
            {"STEEP_MODEL": str(model)} if model else {}
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app", *arguments]
        return subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True)

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "app", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self.environment, cwd=ROOT, text=True, **pipes)

    def json(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.run(*arguments, "--json").stdout)

    @contextmanager
    def watching(self) -> Iterator[None]:
        log = (self.home / "watch.log").open("w")
        command = [sys.executable, "-m", "app", "watch"]
        with subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=log, stderr=log) as process:
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)

    def index(self) -> Index:
        return Index(self.home / "data" / "index.sqlite3")

    def wait_until_steeped(self, seconds: float = 1800) -> None:
        deadline = time.monotonic() + seconds
        with self.index() as index:
            while time.monotonic() < deadline:
                stages = index.stage_counts()
                if stages[DocumentStage.STEEPED] == sum(stages.values()) > 0:
                    return
                time.sleep(1)
        raise SystemExit(f"not steeped after {seconds} s: {stages}")

    def first_token_ms(self) -> float:
        answer = self.json("ask", QUESTION, "--max-answer-tokens", "8", "--no-steep")
        assert answer["kv"]["computed_tokens"] == 0, answer["kv"]
        return answer["timing"]["ttft_ms"]


class Edits:
    """Random changes to a folder, by the ways in which editors save; remembers what each file has to hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.texts: dict[Path, str] = {}
        self.number = 0
        folder.mkdir(exist_ok=True)
        for _ in range(NUM_CHANGING):
            self.create()

    def text(self) -> str:
        self.number += 1
        words = " ".join(self.random.choice(WORDS) for _ in range(self.random.randint(20, 60)))
        return f"# Note {self.number}\n\nMark{self.number}. {words}.\n"

    def create(self) -> None:
        path = self.folder / f"note{self.number}.md"
        self.texts[path] = self.text()
        path.write_text(self.texts[path])

    def step(self) -> None:
        kind = self.random.random()
        path = self.random.choice(list(self.texts))
        if kind < 0.1:
            self.create()
        elif kind < 0.2 and len(self.texts) > NUM_CHANGING // 2:
            path.unlink()
            del self.texts[path]
        elif kind < 0.3:
            new = path.with_name(f"renamed{self.number}.md")
            self.number += 1
            path.rename(new)
            self.texts[new] = self.texts.pop(path)
        elif kind < 0.65:
            self.texts[path] = self.text()
            path.write_text(self.texts[path])  # truncates and writes
        else:
            self.texts[path] = self.text()
            beside = path.with_name(f".{path.name}.swp")
            beside.write_text(self.texts[path])
            beside.replace(path)


def save_to_search_seconds(edits: Edits, index: Index) -> list[float]:
    """From saving a file to finding it by a word that only it has, ten times."""
    seconds: list[float] = []
    for _ in range(10):
        path = edits.random.choice(list(edits.texts))
        edits.texts[path] = edits.text()
        word = f"Mark{edits.number}"
        path.write_text(edits.texts[path])
        saved = time.monotonic()
        while not index.search([word], 1):
            if time.monotonic() - saved > 60:
                raise SystemExit(f"{path} was saved a minute ago and is not found")
            time.sleep(0.01)
        seconds.append(time.monotonic() - saved)
        time.sleep(3)
    return seconds


def stream(edits: Edits, rate: float, seconds: float, installation: Installation) -> list[float]:
    """Edit at the rate, in this process, while a question after the other is asked in others."""
    times: list[float] = []
    started = time.monotonic()
    asking: subprocess.Popen[str] | None = None
    num_steps, next_question = 0, started + 5
    while time.monotonic() - started < seconds:
        edits.step()
        num_steps += 1
        time.sleep(max(0.0, started + num_steps / rate - time.monotonic()))
        if asking is None and time.monotonic() > next_question:
            asking = installation.started("ask", QUESTION, "--max-answer-tokens", "8", "--no-steep", "--json")
        if asking is not None and asking.poll() is not None:
            assert asking.stdout
            times.append(json.loads(asking.stdout.read())["timing"]["ttft_ms"])
            asking, next_question = None, time.monotonic() + 15
    if asking is not None:
        asking.communicate()
    print(f"{num_steps} edits in {time.monotonic() - started:.0f} s, {len(times)} questions meanwhile", flush=True)
    return times


def differences(edits: Edits, index: Index) -> list[str]:
    """Where index and files disagree."""
    found = {document.path: document for document in index.documents() if document.path.is_relative_to(edits.folder)}
    wrong = [f"{path} is listed and not there" for path in found.keys() - edits.texts.keys()]
    wrong += [f"{path} is there and not listed" for path in edits.texts.keys() - found.keys()]
    for path, text in edits.texts.items():
        stored = "".join(chunk.chunk.text for chunk in index.chunks(path))
        if stored.split() != text.split():
            wrong.append(f"{path} holds {text[:30]!r}, the index {stored[:30]!r}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="steep-edits-")).resolve()
    installation = Installation(home / "home", wanted.model)
    shutil.copytree(ROOT / "assets" / "demo", home / "documents")
    edits = Edits(home / "documents" / "notes", wanted.seed)
    print(installation.run("add", str(home / "documents")).stdout, end="")
    with installation.watching():
        installation.wait_until_steeped()
        idle = [installation.first_token_ms() for _ in range(5)]
        print(f"first token, idle: {', '.join(f'{ms:.0f}' for ms in idle)} ms", flush=True)
        with installation.index() as index:
            saves = save_to_search_seconds(edits, index)
        print(f"from save to search: {', '.join(f'{seconds:.2f}' for seconds in saves)} s", flush=True)
        busy = stream(edits, wanted.rate, wanted.seconds, installation)
        print(f"first token, meanwhile: {', '.join(f'{ms:.0f}' for ms in busy)} ms", flush=True)
        started = time.monotonic()
        time.sleep(5)
        installation.wait_until_steeped()
        print(f"all steeped {time.monotonic() - started:.0f} s after the last edit", flush=True)
    with installation.index() as index:
        wrong = differences(edits, index)
    doctor = installation.run("doctor", "--deep")
    ratio = statistics.median(busy) / statistics.median(idle)
    print("\n".join(wrong[:20]), doctor.stdout, doctor.stderr, sep="\n")
    print(f"median first token meanwhile / idle: {ratio:.2f} (at most {MAX_RATIO})")
    print((home / "home" / "watch.log").read_text()[-600:])
    shutil.rmtree(home)
    return int(bool(wrong) or doctor.returncode != 0 or ratio > MAX_RATIO or max(saves) > MAX_SAVE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
