"""Ports for predictors: free ones, found late, so that a lost race is only another try."""

import socket

from rollout_controller.adapters.predictor_processes import NotStarted


class FreePorts:
    """Hands out ports of one address, from a number up, none of them twice."""

    def __init__(self, host: str, lowest: int) -> None:
        self._host = host
        self._lowest = lowest
        self._taken: set[int] = set()

    def find(self, before: tuple[int, int]) -> tuple[int, int]:
        """Return two free ports: the ones used before, where they are free again; NotStarted
        where there are none.
        """
        self.give_back(*before)
        if all(before) and all(self._is_free(port) for port in before):
            found = before
        else:
            free = (port for port in range(self._lowest, 65536) if self._is_free(port))
            found = (next(free, 0), next(free, 0))
            if not all(found):
                raise NotStarted(f"no two ports from {self._lowest} up are free on {self._host}")
        self.take(*found)
        return found

    def take(self, *ports: int) -> None:
        """Note that ports are in use, or about to be."""
        self._taken.update(ports)

    def give_back(self, *ports: int) -> None:
        """Note that ports are not needed any more."""
        self._taken.difference_update(ports)

    def _is_free(self, port: int) -> bool:
        if port in self._taken:
            return False
        with socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, port))
            except OSError:
                return False
        return True
