"""The isogloss command."""
