"""Stages, Gates, Evidence, Verdicts, Releases, Rollouts: pure values and decisions.

Nothing here reads a clock, a file or a socket, and nothing is imported but the standard
library: every service can decide with the same functions, and a replay decides the same.
"""
