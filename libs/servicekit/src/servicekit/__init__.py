"""How a process runs: settings, logs, health, problem+json, callers, signing."""
