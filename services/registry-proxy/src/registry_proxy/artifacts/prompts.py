"""The prompt file that a run kept, held against the lineage: its digest is computed again here."""

from collections.abc import Callable, Mapping

from lifecycle.digests import NO_CONTENT
from lifecycle.documents import DocumentRefused
from lifecycle.prompts import FILE_NAME, Prompt, read_prompt, split_prompt
from registry_proxy.artifacts.manifests import ArtifactRefused
from registry_proxy.artifacts.origins import Origin, RunFiles, seal_origin
from registry_proxy.artifacts.ports import Intake

ReadYaml = Callable[[bytes], object]
"""Parses one YAML document; raises lifecycle's DocumentRefused."""


def take_prompt(
    kept: RunFiles, stated: Mapping[str, str], read_yaml: ReadYaml, intake: Intake
) -> Origin:
    """Take a run's prompt in; raises ArtifactRefused unless the lineage (`stated`) names it."""
    content = kept.small(FILE_NAME)
    prompt = _read(content, stated["prompt_version"], read_yaml)
    known = {"name": prompt.name, "version": prompt.version, "digest": prompt.digest}
    lineage = {
        "prompt": prompt.name,
        "prompt_version": prompt.version,
        "prompt_digest": prompt.digest,
    }
    for key, value in lineage.items():
        said = stated.get(key, NO_CONTENT)
        if said != value:
            raise ArtifactRefused(
                f"manifest.lineage.{key} is {said}, but {FILE_NAME} of the run says {value}"
            )
    files = {FILE_NAME: intake.write(FILE_NAME, [content])}
    return seal_origin(intake, "prompt", files, known, lineage)


def _read(content: bytes, version: str, read_yaml: ReadYaml) -> Prompt:
    """Read a run's copy of a prompt file of that version."""
    path = f"{FILE_NAME.removesuffix('.txt')}_v{version}.txt"
    try:
        header, body = split_prompt(content, path)
        return read_prompt(read_yaml(header.encode()), body, content, path)
    except DocumentRefused as refused:
        raise ArtifactRefused(f"{FILE_NAME} of the run: {refused}") from refused
