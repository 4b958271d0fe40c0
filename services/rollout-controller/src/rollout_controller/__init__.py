"""Turns Releases into workloads and routes, and rolls back."""
