#!/usr/bin/env bash
# The demo: steep a small folder, ask two questions, and ask again in a new process.
set -euo pipefail
steep="$(cd "${BIN:?}" && pwd)/steep"
documents="$(cd "$(dirname "$0")" && pwd)/demo"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "1. Watch a folder of twelve documents, and let the model read each one once"
"$steep" folders --json | grep -q "$documents" || "$steep" add "$documents"
"$steep" index

ask() {
    say "$1"
    "$steep" ask "$2"
}
ask "2. A question" "On which day is the tea-house closed?"
ask "3. A question that needs two documents" "Which farm does the goat cheese of the tea-house come from, and who is the farmer?"

say "4. The first question again, in a new process: nothing is computed twice"
answer="$("$steep" ask --json --quiet "On which day is the tea-house closed?")"
"${BIN}/python" - "$answer" <<'PYTHON'
import json, sys

answer = json.loads(sys.argv[1])
kv, timing = answer["kv"], answer["timing"]
print(answer["answer"])
print(
    f"Of {kv['context_tokens']} context tokens {kv['loaded_tokens']} were loaded from disk, "
    f"{kv['recomputed_tokens']} recomputed to blend them, {kv['computed_tokens']} computed anew. "
    f"First token after {timing['ttft_ms'] / 1e3:.2f} s."
)
sys.exit(kv["computed_tokens"] != 0)
PYTHON
