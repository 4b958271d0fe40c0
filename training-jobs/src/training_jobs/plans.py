"""What a `train.yaml` may say: the model's name and owner, and how each family is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from lifecycle.documents import DocumentRefused, Fields
from lifecycle.training import PLAN_NAME
from textmodels.families import FAMILIES
from training_jobs.dataset.sources import PackageMember, read_package
from training_jobs.names import is_model_name
from training_jobs.refusals import JobRefused


@dataclass(frozen=True)
class Recipe:
    """One way to train: a family of `textmodels` with its parameters, under a name of its own;
    `prompt` is the file under `prompts/` that the family answers with (None: it is not prompted).
    """

    name: str
    family: str
    params: Mapping[str, Any]
    prompt: str | None = None
    pretrained: PackageMember | None = None
    """The folder, in a package, of the model that the family starts from."""


@dataclass(frozen=True)
class Plan:
    """How the versions of one model are trained."""

    model: str
    owner: str
    seed: int
    recipes: Mapping[str, Recipe]
    content: bytes

    def recipe(self, name: str) -> Recipe:
        """Return a recipe; JobRefused names those there are."""
        if name not in self.recipes:
            raise JobRefused(f"train.yaml has no family {name!r}; it has {', '.join(self.recipes)}")
        return self.recipes[name]


def load_plan(project: Path) -> Plan:
    """Load `train.yaml` of a project; DocumentRefused says what is wrong with it."""
    path = project / PLAN_NAME
    try:
        content = path.read_bytes()
        document = yaml.safe_load(content)
    except OSError as error:
        raise DocumentRefused(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DocumentRefused(f"{path} is not YAML: {error}") from error
    return read_plan(document, content)


def read_plan(document: object, content: bytes) -> Plan:
    """Read `train.yaml`, parsed and as it is."""
    fields = Fields(document, "train")
    fields.choice("kind", {"TrainingPlan"})
    items = enumerate(fields.items("families"))
    recipes = [_read_recipe(Fields(item, f"train.families[{index}]")) for index, item in items]
    plan = Plan(
        model=fields.text("model"),
        owner=fields.text("owner"),
        seed=fields.whole("seed", 0, 2**32 - 1),
        recipes={recipe.name: recipe for recipe in recipes},
        content=content,
    )
    fields.close()
    if not is_model_name(plan.model):
        raise DocumentRefused(
            f"train.model is {plan.model!r}; a model's name is [a-z][a-z0-9-]{{0,62}}"
        )
    return plan


def with_settings(recipe: Recipe, settings: list[str]) -> Recipe:
    """Return the recipe with `key=value` settings laid over it; values are read as YAML."""
    changed = dict(recipe.params)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise JobRefused(f"--set {setting!r} is not of the form key=value")
        changed[key] = yaml.safe_load(value)
    return replace(recipe, params=changed)


def _read_recipe(fields: Fields) -> Recipe:
    name = fields.text("name")
    family = fields.choice("family", set(FAMILIES), name)
    prompt = fields.text("prompt") if fields.has("prompt") else None
    params, pretrained = fields.mapping("params", {}), None
    if FAMILIES[family].PRETRAINED_FILE_NAMES:
        package = fields.section("pretrained")
        pretrained = read_package(package)
        package.close()
    fields.close()
    return Recipe(name, family, params, prompt, pretrained)
