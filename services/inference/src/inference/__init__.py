"""Serves one ModelVersion, named by digest."""
