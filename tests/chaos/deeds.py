"""What a controller does to the world, one deed at a time, and what may come between two of them.

A deed that is `KILLED` is not done and ends the controller; one that `FAILED` is not done and said
to have failed; of one that is `LOST` only the answer is missing.
"""

from functools import partial

from rollout_controller.ports import (
    GatewayUnreachable,
    LedgerUnreachable,
    PairsUnreachable,
    WorkloadsUnreachable,
)

KILLED, FAILED, LOST = "killed", "failed", "lost"
FAULTS = (KILLED, FAILED, LOST)
WRITES = {
    "ledger": (("begin", "advance", "hold", "end"), LedgerUnreachable),
    "pairs": (("register",), PairsUnreachable),
    "gateway": (("write", "remove"), GatewayUnreachable),
    "workloads": (("ensure", "settle", "stop", "remove"), WorkloadsUnreachable),
}


class Killed(BaseException):
    """SIGKILL: nothing of the controller that caught `Exception` sees it."""


class Boundaries:
    """Counts deeds, and lets one of them go wrong. `check` is asked after each."""

    def __init__(self, check):
        self.passed = []
        self.hit = None
        self._at, self._fault = 0, KILLED
        self.away = {}
        self._check = check

    def arm(self, at, fault):
        self._at, self._fault = at, fault
        self.passed, self.hit = [], None

    def is_away(self, name):
        """Tell whether a port, or one of its writes, does not work now."""
        return self.away.get(name, False) or self.away.get(name.partition(".")[0], False)

    async def deed(self, name, error, work):
        fault = self._reach(name)
        if fault == FAILED:
            raise error(f"{name} failed")
        done = await work()
        self._check(name)
        if fault == LOST:
            raise error(f"the answer to {name} was lost")
        return done

    def note(self, name, work):
        """Do what has no error of its own: it is done, or the controller was killed before."""
        self._reach(name)
        work()

    def _reach(self, name):
        self.passed.append(name)
        if len(self.passed) != self._at:
            return None
        self.hit = name
        if self._fault == KILLED:
            raise Killed(name)
        return self._fault


class Deeds:
    """A port whose writes are deeds; what it only reads goes through."""

    def __init__(self, kind, port, boundaries):
        self._kind, self._port, self._boundaries = kind, port, boundaries
        self._writes, self._error = WRITES[kind]

    def __getattr__(self, name):
        method = getattr(self._port, name)
        if name not in self._writes:
            if self._boundaries.is_away(self._kind):
                return self._refused
            return method

        async def deed(*arguments, **named):
            if self._boundaries.is_away(f"{self._kind}.{name}"):
                raise self._error(f"{self._kind} is away")
            work = partial(method, *arguments, **named)
            return await self._boundaries.deed(f"{self._kind}.{name}", self._error, work)

        return deed

    async def _refused(self, *_arguments, **_named):
        raise self._error(f"{self._kind} is away")


class JournalDeeds:
    """The journal, whose `save` never fails."""

    def __init__(self, journal, boundaries):
        self._journal, self._boundaries = journal, boundaries

    def load(self, model):
        return self._journal.load(model)

    def save(self, model, notes):
        if not self._boundaries.is_away("journal.save"):
            self._boundaries.note("journal.save", partial(self._journal.save, model, notes))
