"""demo: the whole story on one machine."""

import typer


def add_to(application: typer.Typer) -> None:
    """Join this module's commands to the tree."""
