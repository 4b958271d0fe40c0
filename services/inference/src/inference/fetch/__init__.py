"""Fetches one artifact into a directory, for a pod whose predictor finds it on a volume."""
