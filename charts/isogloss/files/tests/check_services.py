"""Asks each service of a release whether it is ready, and the registry-proxy as a caller.

`helm test` runs it as a pod beside them: arguments are URLs that must answer 200. The
registry-proxy must also take this pod's token for a viewer's, and let nobody in without one.
"""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

TOKEN = Path("/var/run/isogloss/token")
PATIENCE_SECONDS = 60
"""NetworkPolicies reach a new pod a moment after it starts, and services may be rolling."""


def status_of(url: str, token: str | None = None) -> int | str:
    """Return the HTTP status that a GET answers, or why there is none."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the chart's own URLs
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except (OSError, ValueError) as error:
        return str(error)


def insist(what: str, url: str, wanted: set[int], token: str | None = None) -> None:
    """Ask until the status is a wanted one; exit with a sentence when it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := status_of(url, token)) not in wanted:
        if time.monotonic() > deadline:
            sys.exit(f"{what}: {url} answers {status}, not {' or '.join(map(str, wanted))}")
        time.sleep(1)
    sys.stdout.write(f"{what}: {url} answers {status}\n")


def main(registry: str, *pages: str) -> None:
    """Check every page, then who is let in."""
    for page in pages:
        insist("ready", page, {200})
    # A model that nobody registered: known or not, a viewer is told.
    model = f"{registry}/v1/models/helm-test"
    insist("a viewer is let in", model, {200, 404}, TOKEN.read_text(encoding="utf-8").strip())
    insist("a stranger is not", model, {401})


if __name__ == "__main__":
    main(*sys.argv[1:])
