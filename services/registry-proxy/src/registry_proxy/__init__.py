"""The ledger, the Gates, artifacts by digest, in front of MLflow."""
