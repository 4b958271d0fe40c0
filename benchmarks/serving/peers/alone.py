"""An engine in a loop of its own, without a server: `python alone.py ENGINE MODELS`.

ENGINE is a module beside this one. Each line of the input is ["rate", seconds] or
["scores", texts]; each is answered by a line.
"""

import importlib
import json
import sys
import time
from pathlib import Path


def main():
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # engines print what they like
    models = Path(sys.argv[2])
    texts = json.loads((models / "texts.json").read_text())
    score = importlib.import_module(sys.argv[1]).load(models)
    score(texts[0])
    for line in sys.stdin:
        kind, asked = json.loads(line)
        answer = [score(text) for text in asked] if kind == "scores" else rate(score, texts, asked)
        print(json.dumps(answer), file=answers, flush=True)


def rate(score, texts, seconds):
    """Return how many texts a second are scored, on average over `seconds`."""
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        score(texts[done % len(texts)])
        done += 1
    return done / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
