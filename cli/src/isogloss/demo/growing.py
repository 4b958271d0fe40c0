"""Traffic that grows while a Rollout moves on: more requests whenever users get more of the
Candidate's answers.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story

_SPLIT = frozenset({"CANARY", "BAKING"})


class GrowingTraffic:
    """Adds a load like `request` at each new step, at the next of `rates` while there is one; all
    run until `loads` is closed. To be called with each status of the Rollout.
    """

    def __init__(
        self, story: Story, loads: ExitStack, request: LoadRequest, rates: Sequence[float]
    ) -> None:
        self.names: list[str] = []
        self._story = story
        self._loads = loads
        self._request = request
        self._rates = list(rates)
        self._seen: set[tuple[str, int]] = set()

    def __call__(self, status: Any) -> None:
        """Add a load where this status is of a step that was not seen before."""
        step = status["phase"], status["step"]
        if status["phase"] not in _SPLIT or step in self._seen or not self._rates:
            return
        self._seen.add(step)
        name = f"{self._request.name}-{len(self._seen)}"
        request = replace(self._request, name=name, rate=self._rates.pop(0))
        self._loads.enter_context(self._story.loads.running(request))
        self.names.append(name)
