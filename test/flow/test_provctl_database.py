"""provctl db: the schema is made, brought up to date, and never half."""

import json
import os
import subprocess

import pytest
from harness.postgres import SQL, Database
from harness.provctl import PROVCTL, RFC3339, Provctl


@pytest.fixture
def migrations(tmp_path):
    """A folder with the first migrations, or all of them."""
    def copy(n=None):
        folder = tmp_path / "sql"
        folder.mkdir()
        for path in (*sorted(SQL.glob("[0-9]*.sql"))[:n], SQL / "roles.sql"):
            (folder / path.name).write_text(path.read_text())
        return folder
    return copy


@pytest.fixture
def admin(cluster):
    """provctl with an administrator's DSN for a database that is not there yet."""
    name = f"made_by_provctl_{os.getpid()}"
    made = Provctl(cluster.dsn(name, "postgres"))
    made.name = name
    yield made
    cluster.execute(f"drop database if exists {name}")


def test_init_makes_everything_and_may_run_again(admin, cluster):
    version = len(list(SQL.glob("[0-9]*.sql")))
    assert admin.json("db", "init") == {"applied": version, "version": version}
    assert admin.json("db", "init") == {"applied": 0, "version": version}
    assert admin.run("db", "upgrade")[0] == f"0 applied, schema is version {version}\n"
    operator = Provctl(cluster.dsn(admin.name, "provbox_operator"))
    status = operator.json("db", "status")
    assert {row["state"] for row in status} == {"applied"}
    assert all(RFC3339.fullmatch(row["applied_at"]) for row in status)
    assert ["schema", "version", str(version)] in [
        list(row.values()) for row in operator.json("status")]
    owner = Database(cluster, admin.name).value(
        "select nspowner::regrole::text from pg_namespace where nspname = 'provbox'")
    assert owner == "provbox_owner"


def settings(cluster, role):
    (row,) = cluster.administration.query(f"select rolconfig from pg_roles where rolname = '{role}'")
    return set(row["rolconfig"])


def test_an_upgrade_brings_what_roles_are_set_to(admin, cluster):
    admin.run("db", "init")
    made = settings(cluster, "provbox_smsc")
    assert "plan_cache_mode=force_generic_plan" in made
    try:
        # As an earlier version made it, but for what its administrator wants otherwise.
        cluster.execute("alter role provbox_smsc reset all")
        cluster.execute("alter role provbox_smsc set jit = on")
        admin.run("db", "upgrade")
        assert settings(cluster, "provbox_smsc") == made - {"jit=off"} | {"jit=on"}
    finally:
        cluster.execute("alter role provbox_smsc set jit = off")
    assert settings(cluster, "provbox_smsc") == made


def test_upgrade_applies_what_is_missing_in_order(admin, migrations):
    files = sorted(SQL.glob("[0-9]*.sql"))
    admin.sql_dir = migrations(3)
    admin.run("db", "init")
    admin.sql_dir = SQL
    status = admin.json("db", "status", status=1)
    assert [row["state"] for row in status] == ["applied"] * 3 + ["pending"] * (len(files) - 3)
    assert admin.json("db", "upgrade")["applied"] == len(files) - 3


def test_a_migration_that_fails_leaves_nothing(admin, cluster, migrations):
    folder = admin.sql_dir = migrations()
    admin.run("db", "init")
    (folder / "900_broken.sql").write_text(
        "create table provbox.half (n int);\nselect 1 / 0;\n")
    _, errors = admin.run("db", "upgrade", status=1)
    assert "900_broken.sql: was not applied" in errors
    database = Database(cluster, admin.name)
    assert database.value("select to_regclass('provbox.half')") is None
    (folder / "900_broken.sql").write_text("create table provbox.whole (n int);\n")
    assert admin.json("db", "upgrade") == {"applied": 1, "version": 900}
    assert database.value("select tableowner from pg_tables where tablename = 'whole'") == (
        "provbox_owner")


def test_a_migration_that_was_changed_is_refused(admin, migrations):
    folder = admin.sql_dir = migrations()
    admin.run("db", "init")
    with open(folder / "001_base.sql", "a") as file:
        file.write("-- later\n")
    assert "other content" in admin.run("db", "upgrade", status=1)[1]
    assert admin.json("db", "status", status=1)[0]["state"] == "changed"


def test_an_upgrade_runs_once_at_a_time(admin, migrations):
    folder = migrations()
    admin.run("db", "init")
    (folder / "900_slow.sql").write_text("select pg_sleep(1); create table provbox.slow (n int);")
    runs = [subprocess.Popen([PROVCTL, "db", "upgrade", "--json", f"--dsn={admin.dsn}",
                              f"--sql-dir={folder}"], stdout=subprocess.PIPE, text=True)
            for _ in range(3)]
    answers = [json.loads(run.communicate(timeout=60)[0] or "null") for run in runs]
    assert sorted(answer["applied"] for answer in answers) == [0, 0, 1]
    assert [run.returncode for run in runs] == [0, 0, 0]
