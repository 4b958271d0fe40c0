"""What arrives of a mirror's probe requests: which came, and under which id.

Only tags of probes that are under way are known, so nobody else can make anything of the page.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arrival:
    """One probe request as it came: the number it was sent with, and its `x-request-id`."""

    number: int
    request_id: str


@dataclass
class MirrorArrivals:
    """The arrivals of the probes that are under way, by tag."""

    _probes: dict[str, list[Arrival]] = field(default_factory=dict)

    def begin(self, tag: str) -> list[Arrival]:
        """Expect requests of a tag; return the list that they will be put in."""
        return self._probes.setdefault(tag, [])

    def end(self, tag: str) -> None:
        """Expect them no longer."""
        self._probes.pop(tag, None)

    def arrived(self, tag: str, arrival: Arrival) -> bool:
        """Note a request; False where nobody expects it."""
        if tag not in self._probes:
            return False
        self._probes[tag].append(arrival)
        return True
