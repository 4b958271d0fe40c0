"""The offline Gate's measurements: what was asked, counted, and stated as Evidence."""
