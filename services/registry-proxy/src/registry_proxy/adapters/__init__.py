"""The only modules that know a vendor: MLflow's REST, SQLite through SQLAlchemy, files, YAML."""
