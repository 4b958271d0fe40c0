"""Stands in for the inference package where a predictor has to misbehave on purpose."""
