"""Which requests a gateway lets through to a model's predictors; everything else stays inside."""

Request = tuple[str, str]
"""A method and an exact path."""


def predictions(model: str) -> list[Request]:
    """Return the requests that are answered by scoring a text; only these are mirrored."""
    return [
        ("POST", "/predict"),
        ("POST", f"/v1/models/{model}:predict"),
        ("POST", f"/v2/models/{model}/infer"),
    ]


def questions(model: str) -> list[Request]:
    """Return the requests about the model itself, and why it predicts what it predicts."""
    return [
        ("POST", f"/v1/models/{model}:explain"),
        ("GET", f"/v1/models/{model}"),
        ("GET", "/v2"),
        ("GET", "/v2/health/live"),
        ("GET", "/v2/health/ready"),
        ("GET", f"/v2/models/{model}"),
        ("GET", f"/v2/models/{model}/ready"),
    ]
