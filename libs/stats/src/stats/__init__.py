"""Confidence sequences, paired tests, two-sample tests, CUSUM."""
