"""Everything outside this process: packages, MLflow, the registry-proxy, predictors, git."""
