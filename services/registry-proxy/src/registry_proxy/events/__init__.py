"""Telling others of entries: CloudEvents, signed, at least once, in order for each model."""
