"""Stages, Gates, Evidence, Verdicts, Rollouts: pure values and decisions."""
