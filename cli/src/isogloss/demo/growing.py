"""Traffic that grows while a Rollout moves on: more requests whenever users get more of the
Candidate's answers.
"""

from contextlib import ExitStack
from typing import Any

from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story

_SPLIT = frozenset({"CANARY", "BAKING"})


class GrowingTraffic:
    """Starts one more load like `request` at each new step, `most` times at most; they run until
    `loads` is closed. To be called with each status of the Rollout.
    """

    def __init__(self, story: Story, loads: ExitStack, request: LoadRequest, most: int) -> None:
        self.names: list[str] = []
        self._story = story
        self._loads = loads
        self._request = request
        self._most = most
        self._seen: set[tuple[str, int]] = set()

    def __call__(self, status: Any) -> None:
        """Add a load where this status is of a step that was not seen before."""
        step = status["phase"], status["step"]
        if status["phase"] not in _SPLIT or step in self._seen or len(self.names) == self._most:
            return
        self._seen.add(step)
        name = f"{self._request.name}-{len(self._seen)}"
        self._loads.enter_context(self._story.loads.running(self._request.named(name)))
        self.names.append(name)
