"""check-data, train, evaluate, register: one module per job."""
