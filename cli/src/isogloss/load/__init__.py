"""The load generator: sends real texts through the gateway and counts what came back."""
