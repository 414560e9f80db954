"""Fixtures of all flow tests, and what each of them asserts at its end."""

import os

import pytest
from harness import postgres, process


def pytest_configure():
    process.adopt_orphans()


@pytest.fixture(scope="session")
def cluster():
    """One PostgreSQL cluster for the whole run."""
    running = postgres.Cluster()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def no_process_is_left(request):
    """What was running before the test runs after it, and nothing else."""
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster")
    before = set(process.children(os.getpid()))
    yield
    left = process.left_behind(before)
    assert not left, "\n".join(left)
