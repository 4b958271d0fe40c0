"""Text model formats: tokenise, build, verify, save, load, score."""
