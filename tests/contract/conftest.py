"""The marker of what fetches a package, as in the training jobs' tests."""


def pytest_configure(config):
    config.addinivalue_line("markers", "network: fetches a package from the configured index")
