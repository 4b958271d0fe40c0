"""From a user's `dataset.yaml` to checked, split, pinned rows."""
