"""Prompt files: a header that says which version of what this is, a line `---`, then the prompt.

`{{text}}` and `{{labels}}` are filled in and nothing else is: no template language runs on what
users send. The digest is of the whole file, so a changed goal is another content, too.
"""

import re
from dataclasses import dataclass

from lifecycle.digests import sha256_digest
from lifecycle.documents import DocumentRefused, Fields

SEPARATOR = "\n---\n"
FILE_NAME = "prompt.txt"
"""What a run's copy of the file is called."""
FOLDER = "prompts"
"""Where a project has its prompts."""
VARIABLES = ("labels", "text")
_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt: `labels` are the answers that it may give, `content` is the file."""

    name: str
    version: str
    goal: str
    rules: tuple[str, ...]
    form: str
    labels: tuple[str, ...]
    body: str
    content: bytes
    digest: str

    def filled(self, text: str) -> str:
        """Return the prompt for one text; what looks like a variable in the text stays text."""
        values = {"text": text, "labels": ", ".join(self.labels)}
        return _PLACE.sub(lambda found: values[found[1]], self.body)


def split_prompt(content: bytes, path: str) -> tuple[str, str]:
    """Return a prompt file's header and body; raises DocumentRefused."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise DocumentRefused(f"{path} is not UTF-8: {error}") from error
    header, separator, body = text.partition(SEPARATOR)
    if not separator or not body.strip():
        raise DocumentRefused(
            f"{path} has no prompt; write its header, a line ---, then the prompt"
        )
    return header, body


def read_prompt(header: object, body: str, content: bytes, path: str) -> Prompt:
    """Read a prompt whose header is parsed; DocumentRefused says what is wrong with it."""
    fields = Fields(header, path)
    prompt = Prompt(
        name=_matching(fields, "name", _NAME, "lower-case letters, digits and -"),
        version=_matching(fields, "version", _SEMVER, "a semantic version such as 0.3.1"),
        goal=fields.text("goal"),
        rules=fields.texts("rules"),
        form=fields.text("format"),
        labels=fields.texts("labels"),
        body=body,
        content=content,
        digest=sha256_digest(content),
    )
    fields.close()
    _refuse_variables(prompt, path)
    if not path.endswith(f"_v{prompt.version}.txt"):
        raise DocumentRefused(
            f"{path} holds version {prompt.version}; name it …_v{prompt.version}.txt"
        )
    return prompt


def _refuse_variables(prompt: Prompt, path: str) -> None:
    named = set(_PLACE.findall(prompt.body))
    for name in sorted(named - set(VARIABLES)):
        raise DocumentRefused(
            f"{path} has {{{{{name}}}}}; it can have {{{{labels}}}} and {{{{text}}}}"
        )
    if "text" not in named:
        raise DocumentRefused(f"{path} has no {{{{text}}}}: it would ask the same of every text")


def _matching(fields: Fields, key: str, pattern: re.Pattern[str], allowed: str) -> str:
    value = fields.text(key)
    if not pattern.fullmatch(value):
        raise DocumentRefused(f"{fields.path}.{key} is {value!r}; it must be {allowed}")
    return value
