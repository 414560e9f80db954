"""Fixtures of all flow tests, and what each of them asserts at its end."""

import collections
import os
import pathlib
import shutil
import signal
import tempfile

import pytest
import xdist.scheduler
from harness import paths, postgres, process
from harness import site as site_module
from harness.desk import Desk
from harness.edge import Edge
from harness.model import Model
from harness.provctl import Provctl
from harness.schema import Schema

LOG_LINES = 40
SHARED_MODEL = os.environ.get("PROVBOX_MODEL")  # harness/model.py


def pytest_configure(config):
    # Below a shell that runs it in the background, interrupts would be ignored. The workers of
    # xdist have it from who starts them: on a busy machine theirs is not the main thread.
    if hasattr(config, "workerinput"):
        folder = config.workerinput["model"]
    else:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        folder = config.model_folder = SHARED_MODEL or tempfile.mkdtemp(
            prefix="provbox-model-", dir=paths.memory_directory())
        pathlib.Path(folder).chmod(0o755)
    postgres.Cluster.model = Model(folder)
    process.adopt_orphans()


@pytest.hookimpl(optionalhook=True)  # without -n nobody asks
def pytest_configure_node(node):
    node.workerinput["model"] = node.config.model_folder


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput") and not SHARED_MODEL:
        shutil.rmtree(config.model_folder)


def pytest_collection_modifyitems(items):
    """Long ones begin first, so that none is waited for alone at the end; one of each file
    after the other: those of one file want the same of the machine."""
    n_before = collections.Counter()

    def place(item):
        if item.get_closest_marker("long") is None:
            return 1, 0
        n_before[item.path] += 1
        return 0, n_before[item.path]

    items.sort(key=place)


class OneByOne(xdist.scheduler.LoadScopeScheduling):
    """Each worker is given its next test when it is about to need one. What xdist has for
    that deals out a quarter of all tests beforehand, all long ones to one worker."""

    def _split_scope(self, nodeid):
        return nodeid


@pytest.hookimpl(optionalhook=True)  # without -n nobody asks
def pytest_xdist_make_scheduler(config, log):
    return OneByOne(config, log)


@pytest.fixture(scope="session")
def cluster():
    """One PostgreSQL cluster for the whole run."""
    running = postgres.Cluster()
    yield running
    running.stop()


@pytest.fixture
def schema(cluster):
    """A database with no program at it, asked in their place."""
    database = cluster.new_database(Schema.install)
    yield Schema(database)
    database.drop()


@pytest.fixture
def database(cluster):
    """One with the schema, and nothing in it but what the migrations put there."""
    made = cluster.new_database(postgres.Database.install_schema)
    yield made
    made.drop()


@pytest.fixture
def provctl(database):
    return Provctl(database.dsn("provbox_operator"))


@pytest.fixture(autouse=True)
def no_process_is_left(request):
    """What was running before the test runs after it, and nothing else."""
    clusters = [request.getfixturevalue("cluster")] if "cluster" in request.fixturenames else []
    before = set(process.children(os.getpid()))
    yield
    # A test may have restarted the server of its cluster.
    left = process.left_behind(before | {each.server.pid for each in clusters})
    assert not left, "\n".join(left)


@pytest.fixture
def site(request, cluster):
    """A site with nothing started. Its files are kept on disk when the test fails."""
    made = site_module.Site(cluster)
    yield made
    problems = made.finish()
    has_failed = problems or getattr(request.node, "has_failed", True)
    if has_failed:
        kept = made.keep()
        for name, text in made.logs().items():
            print(f"---- {kept}/{name}")
            print("\n".join(text.splitlines()[-LOG_LINES:]))
    made.remove()
    assert not problems, "\n".join(problems)


@pytest.fixture
def desk(site):
    """Where what manual and documents show is typed."""
    made = Desk(site)
    yield made
    made.close()


@pytest.fixture
def rogue_edge(site):
    """A gateway between an honest server and a rogue one, not started."""
    made = Edge(site)
    yield made
    made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.has_failed = report.failed
