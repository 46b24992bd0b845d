"""A harness, not a test: how long retrieval and planning take over ten thousand chunks.

    python -m tests.check_retrieval [--chunks 10000] [--model FILE]

Writes documents of made-up words, as unevenly frequent as those of a language, reads them in a home of its own, and
runs `steep bench ttft --retrieval` over them. Nothing is steeped. Exit code 1 if the median question takes too long.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import accumulate
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
MAX_MS = 20.0
"""For 10,000 chunks."""

NUM_WORDS = 20_000
SYLLABLES = ["ba", "ke", "ri", "to", "mun", "sel", "dar", "vi", "pon", "gre", "lo", "shi", "tar", "en", "qui", "zo"]
CHUNKS_PER_DOCUMENT = 8
SECTION_WORDS = 90
"""Somewhat more than half of a chunk: each section is one."""


def write_documents(folder: Path, num_chunks: int) -> None:
    random = Random(20)
    words = ["".join(random.choices(SYLLABLES, k=random.randint(2, 4))) for _ in range(NUM_WORDS)]
    frequencies = list(accumulate(1 / (rank + 1) for rank in range(NUM_WORDS)))

    def section() -> str:
        heading = " ".join(random.choices(words, k=3)).capitalize()
        text = " ".join(random.choices(words, cum_weights=frequencies, k=SECTION_WORDS)).capitalize()
        return f"# {heading}\n\n{text}."

    for number in range(num_chunks // CHUNKS_PER_DOCUMENT):
        path = folder / f"{number % 100:02}" / f"{number:05}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(section() for _ in range(CHUNKS_PER_DOCUMENT)), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_documents(Path(folder) / "documents", arguments.chunks)
        environment = {**os.environ, "STEEP_HOME": f"{folder}/home"}
        if arguments.model:
            environment["STEEP_MODEL"] = str(arguments.model)

        def run(*words: str) -> str:
            command = [sys.executable, "-m", "app", *words]
            return subprocess.run(
                command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE
            ).stdout.decode()

        run("add", f"{folder}/documents")
        run("index", "--no-steep", "--quiet")
        done = json.loads(run("bench", "ttft", "--sizes", "", "--retrieval", "--json"))["retrieval"]
    print(f"{done['chunks']:,} chunks: median {done['median_ms']:.1f} ms, slowest {done['max_ms']:.1f} ms")
    return int(done["median_ms"] > MAX_MS)


if __name__ == "__main__":
    sys.exit(main())
