"""Lets a cluster's options stand anywhere, as kubectl's do: `kubectl isogloss status -n models`."""

from collections.abc import Sequence

_WITH_VALUE = frozenset({"-n", "--namespace", "--context", "--kubeconfig", "--release"})
_FLAGS = frozenset({"--cluster"})


def global_options_first(arguments: Sequence[str]) -> list[str]:
    """Move the cluster's options before the verb; what follows `--` is left alone."""
    first: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if argument == "--":
            rest += [argument, *left]
            break
        if argument in _WITH_VALUE:
            first += [argument, *left[:1]]
            left = left[1:]
        elif argument in _FLAGS or argument.partition("=")[0] in _WITH_VALUE:
            first.append(argument)
        else:
            rest.append(argument)
    return [*first, *rest]
