"""Pairs shadow answers, measures drift and live quality."""
