"""What a person does with MLflow's own client: `MLFLOW_TRACKING_URI` and `_TOKEN` say where.

Writes one JSON object of what was read back. Run as a process, so that the client is unmodified and
its global state is nobody else's.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression


def main(name):
    """Use each part of the client once."""
    told = {}
    mlflow.set_experiment(f"{name}-experiment")
    with TemporaryDirectory() as folder, mlflow.start_run(tags={"team": "reviews"}) as run:
        mlflow.log_params({"family": "linear", "c": 1})
        for step in range(5):
            mlflow.log_metric("f1", 0.5 + step / 10, step=step)
        Path(folder, "note one.txt").write_text("a note")
        Path(folder, "empty").write_text("")
        Path(folder, "large.bin").write_bytes(bytes(range(256)) * 40_000)
        mlflow.log_artifacts(folder, "files")
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        mlflow.sklearn.log_model(model, name="model", registered_model_name=name)
    client = MlflowClient()
    held = client.get_run(run.info.run_id)
    told["run"] = run.info.run_id
    told["author"] = held.data.tags["isogloss.author"]
    told["metrics"] = [m.value for m in client.get_metric_history(run.info.run_id, "f1")]
    told["files"] = [each.path for each in client.list_artifacts(run.info.run_id, "files")]
    with TemporaryDirectory() as folder:
        got = Path(client.download_artifacts(run.info.run_id, "files", folder))
        told["bytes"] = (got / "large.bin").read_bytes() == bytes(range(256)) * 40_000
        told["note"] = (got / "note one.txt").read_text()
    told["found"] = len(mlflow.search_runs(experiment_names=[f"{name}-experiment"]))
    told.update(_registered(client, name), **_prompts(name))
    sys.stdout.write(json.dumps(told))


def _registered(client, name):
    client.update_registered_model(name, description="words")
    client.set_registered_model_tag(name, "team", "reviews")
    client.set_model_version_tag(name, "1", "checked", "yes")
    client.set_registered_model_alias(name, "best", "1")
    version = client.get_model_version_by_alias(name, "best")
    loaded = mlflow.sklearn.load_model(f"models:/{name}@best")
    return {
        "version": version.version,
        "predicted": loaded.predict([[1.0]]).tolist(),
        "searched": [v.version for v in client.search_model_versions(f"name='{name}'")],
    }


def _prompts(name):
    prompt = f"{name}-prompt"
    mlflow.genai.register_prompt(prompt, "Classify: {{text}}")
    mlflow.genai.register_prompt(prompt, "Say what this is: {{text}}")
    mlflow.genai.set_prompt_alias(prompt, "production", 1)
    return {
        "prompt": mlflow.genai.load_prompt(f"prompts:/{prompt}@production").template,
        "prompts": [p.name for p in mlflow.genai.search_prompts()],
    }


if __name__ == "__main__":
    main(sys.argv[1])
