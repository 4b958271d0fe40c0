"""A kubectl of a few lines: says what its folder's answers.json tells it to, and notes its calls.

An answer is {"call": the words that it is for, "out", "err", "code", "stays": true to go on until
it is ended}; the first that fits a call and has not been used up ("times") is given.
"""

import json
import os
import sys
import time
from pathlib import Path

folder = Path(__file__).parent
words = [w for w in sys.argv[1:] if not w.startswith(("--request-timeout", "--namespace="))]
given = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
with (folder / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps({"words": words, "given": given, "pid": os.getpid()}) + "\n")

answers = json.loads((folder / "answers.json").read_text())
for number, answer in enumerate(answers):
    used = folder / f"used-{number}"
    count = used.stat().st_size if used.exists() else 0
    if " ".join(words).startswith(answer["call"]) and count < answer.get("times", 1e9):
        with used.open("ab") as file:
            file.write(b".")
        sys.stdout.write(answer.get("out", ""))
        sys.stdout.flush()
        sys.stderr.write(answer.get("err", ""))
        while answer.get("stays") and not (folder / "end").exists():
            time.sleep(0.01)
        sys.exit(answer.get("code", 0))
sys.stderr.write(f"error: nothing is known of {words}")
sys.exit(1)
