"""kubectl as a function, and asking again: a cluster gets there in its own time."""

import json
import shutil
import subprocess
import time


class KubectlRefused(AssertionError):
    """kubectl said no; the text is its own."""


def kubectl(*arguments, document=None, seconds=180):
    """Run kubectl and return what it prints; a document goes to its standard input as JSON."""
    answer = subprocess.run(
        [shutil.which("kubectl"), *arguments],
        input=None if document is None else json.dumps(document),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    if answer.returncode != 0:
        raise KubectlRefused(f"kubectl {' '.join(arguments)}: {answer.stderr.strip()}")
    return answer.stdout


def refusal(run, *arguments, **options):
    """Return why kubectl said no, None when it did not."""
    try:
        run(*arguments, **options)
    except KubectlRefused as refused:
        return str(refused)
    return None


def eventually(seen, seconds=30, every=0.2):
    """Ask until the answer is truthy and return it; an assertion that fails counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        reason = ""
        try:
            answer = seen()
        except AssertionError as failed:
            answer, reason = None, f": {failed}"
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s{reason}"
        time.sleep(every)
