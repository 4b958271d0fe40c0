"""The services' routes as calls; which routes exist is in docs/http-api.md."""
