"""The door to MLflow: which of its calls pass, and keeping its aliases as the ledger says."""
