"""The only importers of SQLAlchemy, httpx and the file system."""
