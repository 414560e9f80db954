"""Roles reach the data through their functions and in no other way."""

import re

import psycopg2
import pytest
from harness import paths

ROLES = ("provbox_server", "provbox_smsc", "provbox_operator")


def documented():
    """Functions of each role, from the tables of doc/database.md."""
    text = (paths.SOURCE / "doc" / "database.md").read_text()
    parts = re.split(r"^## .*?`(provbox_\w+)`.*$", text, flags=re.M)
    return {role: {name for line in part.split("\n## ")[0].splitlines() if line.startswith("| `")
                   for name in re.findall(r"`(\w+)\(", line.split(" | ")[0])}
            for role, part in zip(parts[1::2], parts[2::2])}


def test_each_role_may_call_what_is_documented_and_nothing_else(database):
    found = {role: set() for role in ROLES}
    for row in database.query(
            "select r.rolname as role, p.proname as name from pg_proc p, pg_roles r"
            " where p.pronamespace = 'provbox'::regnamespace and r.rolname = any (%s)"
            " and has_function_privilege(r.oid, p.oid, 'execute')", list(ROLES)):
        found[row["role"]].add(row["name"])
    assert found == documented()


def test_no_role_reads_or_writes_a_table(database):
    relations = [row["name"] for row in database.query(
        "select oid::regclass::text as name from pg_class where relkind in ('r', 'v', 'S')"
        " and relnamespace = 'provbox'::regnamespace")]
    assert len(relations) > 20
    rights = database.query(
        "select r.rolname, c.oid::regclass::text as relation from pg_class c, pg_roles r"
        " where c.relnamespace = 'provbox'::regnamespace and r.rolname = any (%s)"
        " and c.relkind in ('r', 'v') and (has_any_column_privilege(r.oid, c.oid,"
        " 'select, insert, update, references')"
        " or has_table_privilege(r.oid, c.oid, 'delete, truncate, trigger'))", list(ROLES))
    assert rights == []
    for role in ROLES:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.query("select * from provbox.device", role=role)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.query("create table provbox.mine (n int)", role=role)


def test_functions_have_a_fixed_search_path(database):
    """All but one-line expressions over their parameters, which are put in place of the call."""
    loose = database.query(
        "select proname, prosrc, prosecdef, lanname from pg_proc p"
        " join pg_language l on l.oid = prolang where pronamespace = 'provbox'::regnamespace"
        " and not 'search_path=provbox, pg_temp' = any (coalesce(proconfig, '{}'))")
    tables = {row["relname"] for row in database.query(
        "select relname from pg_class where relnamespace = 'provbox'::regnamespace")}
    for row in loose:
        assert (row["lanname"], row["prosecdef"]) == ("sql", False), row["proname"]
        assert not tables & set(re.findall(r"(?:from|join) (\w+)", row["prosrc"])), row["proname"]


def test_only_functions_with_the_owners_rights_are_granted(database):
    granted = database.query(
        "select distinct proname from pg_proc p, pg_roles r"
        " where p.pronamespace = 'provbox'::regnamespace and r.rolname = any (%s)"
        " and has_function_privilege(r.oid, p.oid, 'execute') and not prosecdef", list(ROLES))
    assert granted == []


def test_a_temporary_table_shadows_nothing(database):
    connection = database.cluster.connect(database.name, "provbox_server")
    cursor = connection.cursor()
    cursor.execute("create temp table policy (subject text, reason text, outcome text, epoch int)")
    cursor.execute("insert into policy values ('device', 'device_unknown', 'limited', 1)")
    cursor.execute("select * from provbox.authentication_read(%s, %s, 'certificate', %s, %s)",
                   ("urn:gsma:imei:35209900-000000-0", bytes(32), bytes(32), bytes(16)))
    assert cursor.fetchone()[0] == "unknown"
    connection.close()


def test_every_reason_code_is_in_the_table(database):
    """Codes stand in the sources of the functions as literals."""
    known = {row["code"] for row in database.query("select code from provbox.reason")}
    sources = "\n".join(row["prosrc"] for row in database.query(
        "select prosrc from pg_proc where pronamespace = 'provbox'::regnamespace"))
    used = set(re.findall(r"api_refusal\(\d+, '(\w+)'\)", sources))
    used |= set(re.findall(r"(?:then|else|reason :=) '(\w+_(?:mismatch|invalid|requests|messages"
                           r"|unknown|blocked|refused|rejected|undelivered))'", sources))
    assert len(used) > 20
    assert used <= known
    assert {f"mo_{word}" for word in (
        "not_understood", "code_needed", "wrong_code", "too_early", "too_many_codes",
        "not_allowed", "no_offer", "answered", "offer_expired", "offer_ended")} <= known


@pytest.mark.parametrize("source, pattern", [
    ("auth/reason.c", r"\[REASON_\w+\] = \"(\w+)\""),
    ("provisioning/api.c", r"\[API_\w+\] = \{ \d+, SLICE\(\"(\w+)\"\)")])
def test_every_reason_of_a_program_is_in_the_table(database, source, pattern):
    known = {row["code"] for row in database.query("select code from provbox.reason")}
    named = set(re.findall(pattern, (paths.SOURCE / source).read_text()))
    assert len(named) > 10
    assert named <= known
