"""The vendors and the world outside, one file each."""
