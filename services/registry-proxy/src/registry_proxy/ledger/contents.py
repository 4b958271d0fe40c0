"""One version, one content: what a data set's or a prompt's version was when it was first used.

A version of a model is registered with the digests of all that it was made from. Whoever changed
rows or a prompt and kept the version is refused here, whatever their own checks said.
"""

from collections.abc import Iterable, Mapping

from lifecycle.digests import NO_CONTENT
from lifecycle.model_states import ModelState
from lifecycle.transitions import TransitionRefused

_KINDS: Mapping[str, tuple[str, str, str]] = {
    "data set": ("dataset", "dataset_version", "dataset_digest"),
    "prompt": ("prompt", "prompt_version", "prompt_digest"),
}
"""What has versions: the keys of lineage that hold its name, its version and its digest."""


class ContentChanged(TransitionRefused):
    """A version of a data set or a prompt is known with another content."""


def refuse_changed_content(states: Iterable[ModelState], lineage: Mapping[str, str]) -> None:
    """Raise ContentChanged where a model of `states` was made from other content of the same
    name and version.
    """
    asked = {kind: _content(lineage, keys) for kind, keys in _KINDS.items()}
    for state in states:
        for version in state.versions:
            for kind, keys in _KINDS.items():
                wanted, held = asked[kind], _content(version.lineage, keys)
                if wanted and held and wanted[:2] == held[:2] and wanted[2] != held[2]:
                    raise ContentChanged(
                        f"{kind} {wanted[0]} {wanted[1]} has digest {wanted[2]}, but version "
                        f"{version.number} of {state.name} was made from it with {held[2]}; "
                        f"other content needs another version of the {kind}"
                    )


def _content(lineage: Mapping[str, str], keys: tuple[str, str, str]) -> tuple[str, str, str] | None:
    name, version, digest = (lineage.get(key, NO_CONTENT) for key in keys)
    return None if NO_CONTENT in (name, version, digest) else (name, version, digest)
