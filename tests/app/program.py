"""The program as users start it: a process of its own, with a home of its own."""

import ctypes
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60
"""Far more than anything here takes: a machine that is busy must not fail a test."""

_NOT_INHERITED = ("STEEP_", "XDG_", "HF_", "HUGGINGFACE_", "LLAMA_CACHE", "COLUMNS", "NO_COLOR", "FORCE_COLOR")
"""What variables begin with that would change what a program does."""

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


@dataclass(frozen=True)
class Program:
    """One installation: `STEEP_HOME`, the model to use, and the folder it is started in."""

    home: Path
    model: Path
    folder: Path

    def run(
        self, *arguments: str, code: int = 0, before: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit code must be `code`, and a traceback is always wrong."""
        done = subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment(environment),
            capture_output=True,
            encoding="utf-8",
            timeout=WAIT_SECONDS,
            preexec_fn=before,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments: str, code: int = 0, **environment: str) -> dict[str, Any]:
        """The one JSON object that a command prints."""
        value = json.loads(self.run(*arguments, "--json", code=code, **environment).stdout)
        assert isinstance(value, dict)
        return value

    def ask(self, question: str, *arguments: str, **environment: str) -> dict[str, Any]:
        return self.json("ask", question, "--max-answer-tokens", "24", *arguments, **environment)

    def complaint(self, *arguments: str, code: int, **options: Any) -> str:
        """What a failing command says, on one line, however it was wrapped; nothing may be on stdout."""
        done = self.run(*arguments, code=code, **options)
        assert done.stdout == ""
        return " ".join(done.stderr.replace("│", " ").split())

    @contextmanager
    def started(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A command that still runs; it is killed at the end if it has not ended."""
        with subprocess.Popen(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            preexec_fn=_hear_ctrl_c,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def on_terminal(
        self, *arguments: str, press: bytes = b"", when: bytes = b"", **environment: str
    ) -> tuple[int, str]:
        """Run a command on a terminal of 80 columns, pressing keys once `when` has been shown: exit code, screen."""
        process, screen = pty.fork()
        if process == 0:
            _hear_ctrl_c()
            os.chdir(self.folder)
            os.execvpe(sys.executable, self._command(arguments), self._environment({"COLUMNS": "80", **environment}))
        shown = bytearray()
        for piece in _read(screen):
            shown += piece
            if press and when in shown:
                os.write(screen, press)
                press = b""
        os.close(screen)
        status = os.waitpid(process, 0)[1]
        return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")

    def chunk_files(self) -> list[Path]:
        """The files of all chunk states and preambles."""
        return sorted((self.home / "data" / "kv").glob("*/*/*.kv"))

    def fingerprint(self) -> str:
        """Of states for any place of a prompt."""
        with closing(sqlite3.connect(self.home / "data" / "index.sqlite3")) as db:
            ((fingerprint,),) = db.execute("SELECT fingerprint FROM model_fingerprints").fetchall()
        return fingerprint

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "app", *arguments]

    def _environment(self, changes: dict[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        # One thread: two of them wait for each other at every node of the graph, long on a busy machine.
        ours = {"STEEP_HOME": str(self.home), "STEEP_MODEL": str(self.model), "STEEP_THREADS": "1", "TERM": "xterm"}
        # Nobody who watches waits for minutes until the model is measured.
        ours |= {"STEEP_GATE": "false"}
        # Whose models those are that other programs keep on this machine is none of a test's business.
        home = self.home / "user"
        ours |= {"HOME": str(home), "USERPROFILE": str(home), "OLLAMA_MODELS": str(home / ".ollama")}
        return inherited | ours | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])} | changes


def _read(screen: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(screen, 1 << 16)
        except OSError:  # Linux says EIO where others say end of file
            return
        if not piece:
            return
        yield piece


def without_privileges() -> None:
    """In the child, before it starts: root is held to the rights of files, too. Others are anyway."""
    if os.geteuid() == 0:
        system = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            assert system.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0


def _hear_ctrl_c() -> None:
    """In the child, before it starts: tests that run in a shell's background inherit a SIGINT that is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Ctrl-C; returns what the process wrote."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=WAIT_SECONDS)


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for something that a running process does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
