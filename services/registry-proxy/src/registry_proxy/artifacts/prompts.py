"""The prompt file that a run kept, held against the lineage: its digest is computed again here.

A run without the file leaves the prompt of its lineage unproven, and the version shows that.
"""

from collections.abc import Callable, Mapping

from lifecycle.digests import NO_CONTENT
from lifecycle.documents import DocumentRefused
from lifecycle.prompts import FILE_NAME, Prompt, read_prompt, split_prompt
from registry_proxy.artifacts.manifests import ArtifactRefused

ReadYaml = Callable[[bytes], object]
"""Parses one YAML document; raises lifecycle's DocumentRefused."""


def read_kept_prompt(content: bytes, version: str, read_yaml: ReadYaml) -> Prompt:
    """Read a run's copy of a prompt file of that version; raises ArtifactRefused."""
    path = f"{FILE_NAME.removesuffix('.txt')}_v{version}.txt"
    try:
        header, body = split_prompt(content, path)
        return read_prompt(read_yaml(header.encode()), body, content, path)
    except DocumentRefused as refused:
        raise ArtifactRefused(f"{FILE_NAME} of the run: {refused}") from refused


def refuse_other_prompt(lineage: Mapping[str, str], prompt: Prompt) -> None:
    """Raise ArtifactRefused unless the lineage names that prompt."""
    kept = {"prompt": prompt.name, "prompt_digest": prompt.digest}
    for key, value in kept.items():
        stated = lineage.get(key, NO_CONTENT)
        if stated != value:
            raise ArtifactRefused(
                f"manifest.lineage.{key} is {stated}, but {FILE_NAME} of the run says {value}"
            )
