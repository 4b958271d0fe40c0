"""Artifacts: a run's files admitted once, then kept and served by digest."""
