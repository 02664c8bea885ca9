"""The small service that the fault tests copy, made once for all of their files."""

import pytest


@pytest.fixture(scope="session")
def served(pytestconfig, tmp_path_factory):
    # the rest of these tests need none of what it imports
    import service_payloads

    return service_payloads.served(pytestconfig, tmp_path_factory)
