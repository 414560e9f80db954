"""provctl doctor: each check is broken once, and says what is wrong and what to type."""

import datetime
import json
import os
import socket
import subprocess

import pytest
from harness import paths
from harness.daemon import config_text
from harness.schema import DEV2, device

DAEMONS = ("server", "smsc", "gateway")


class Doctor:
    """A site whose daemons do not run: its files are what is looked at."""

    def __init__(self, site):
        self.site = site
        self.dsn = site.db.dsn("provbox_operator")
        self.path, self.before = [], []

    def run(self, status=None):
        """{(looks_at, name): finding}; the last one of a name."""
        arguments = [f"--dsn={self.dsn}", f"--kannel={self.site.bearerbox.conf}"]
        for name in DAEMONS:
            daemon = getattr(self.site, name)
            path = self.site.directory / f"{daemon.program}.conf"
            path.write_text(config_text(daemon.config))
            arguments.append(f"--{name}={path}")
        folders = {os.path.dirname(paths.program(name)) for name in ("provctl", "provbox-server")}
        done = subprocess.run(
            [*self.before, paths.program("provctl"), "doctor", "--json", *arguments],
            capture_output=True, text=True, timeout=30, env={
                **os.environ, "PATH": ":".join([*self.path, *folders, os.environ["PATH"]]),
                "PROVBOX_SQL_DIR": str(paths.SOURCE / "provisioning" / "sql")})
        assert "Sanitizer" not in done.stderr, done.stderr
        self.findings = json.loads(done.stdout)
        if status is not None:
            assert done.returncode == status, (self.bad(), done.stderr)
        return {(row["looks_at"], row["name"]): row for row in self.findings}

    def bad(self):
        return [row for row in self.findings if row["verdict"] != "ok"]

    def finds(self, verdict, name, found, fix):
        """There is this finding, with these words, and none that is worse."""
        self.run({"warn": 0, "fail": 1}[verdict])
        assert any(row["verdict"] == verdict and row["name"] == name and found in row["found"]
                   and fix in row["fix"] for row in self.findings), self.bad()

    def finds_unlooked(self, *looks_at):
        """Of these, and of these alone, it says that they were not looked at, and what to do."""
        unlooked = {row["looks_at"] for row in self.findings if "not looked at" in row["found"]}
        assert unlooked == set(looks_at), self.bad()
        assert all(row["fix"] for row in self.bad())


@pytest.fixture
def doctor(site):
    """Something that listens is bearerbox enough."""
    site.start("database")
    with socket.create_server(("127.0.0.1", site.bearerbox.box_port)) as box:
        made = Doctor(site)
        made.box = box
        yield made


def test_a_healthy_site_has_nothing(site):
    site.start("database", "smscsim", "bearerbox")
    doctor = Doctor(site)
    found = doctor.run(0)
    assert doctor.bad() == []
    assert {row["looks_at"] for row in doctor.findings} == {
        "database", "configuration", "clock", "schema", "rights", "queues", "bearerbox", "kannel"}
    assert all(row["fix"] is None for row in found.values())
    text = subprocess.run(
        [paths.program("provctl"), "doctor", f"--dsn={doctor.dsn}"], capture_output=True,
        text=True, timeout=60, env={
            **os.environ, "PROVBOX_SQL_DIR": str(paths.SOURCE / "provisioning" / "sql")})
    assert text.returncode == 0 and " 0 warnings, 0 failures" in text.stdout


def test_without_the_database_the_other_checks_go_on(doctor):
    doctor.dsn = f"host={doctor.site.directory} dbname=x user=provbox_operator"
    found = doctor.run(69)
    assert found["database", "dsn"]["verdict"] == "fail"
    assert "start PostgreSQL" in found["database", "dsn"]["fix"]
    assert found["configuration", "provbox-server"]["verdict"] == "ok"
    assert ("bearerbox", f"127.0.0.1:{doctor.site.bearerbox.box_port}") in found
    doctor.finds_unlooked("clock", "schema", "rights", "inside")


@pytest.mark.parametrize("begin, end, unlooked", [
    ("revoke all on function pg_catalog.clock_timestamp() from public",
     "grant execute on function pg_catalog.clock_timestamp() to public", {"clock", "inside"}),
    ("alter function provbox.schema_list() rename to schema_lists", None, {"schema"}),
    ("alter function provbox.doctor_read(jsonb) rename to doctor_reads", None, {"inside"}),
])
def test_a_check_that_fails_says_so(doctor, begin, end, unlooked):
    """And the others go on."""
    doctor.site.db.query(begin)
    try:
        doctor.run(1)
    finally:
        if end:
            doctor.site.db.query(end)
    doctor.finds_unlooked(*unlooked)


@pytest.mark.long
def test_a_database_that_says_nothing_is_not_waited_for(doctor):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        doctor.dsn = (f"host=127.0.0.1 port={silent.getsockname()[1]} user=provbox_operator"
                      " dbname=x")
        doctor.run(69)
    doctor.finds_unlooked("clock", "schema", "rights", "inside")


@pytest.mark.long
def test_a_lock_is_not_waited_for(doctor):
    lock = doctor.site.cluster.connect(doctor.site.db.name)
    lock.autocommit = False
    lock.cursor().execute("lock table provbox.outbox in access exclusive mode")
    doctor.run(1)
    lock.close()
    doctor.finds_unlooked("inside")


def test_a_bearerbox_that_is_not_known(doctor):
    """The configuration that names it is wrong, or names none that can be asked."""
    doctor.site.smsc.config["no_such_key"] = 1
    doctor.run(1)
    doctor.finds_unlooked("bearerbox")
    folder = doctor.site.directory / "another"
    folder.mkdir()
    other = folder / "provbox-smsc"
    other.write_text("#!/bin/sh\necho 'address = localhost'\n")
    other.chmod(0o755)
    doctor.path = [str(folder)]
    doctor.finds("fail", "localhost", "is no address", "smsc.conf")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hides files")
def test_who_listens_is_not_known(doctor):
    doctor.before = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                     'mount -t tmpfs none /proc/$$/net && exec "$@"', "sh"]
    doctor.run(0)
    doctor.finds_unlooked("bearerbox", "kannel")


@pytest.mark.parametrize("name", DAEMONS)
def test_a_configuration_that_is_wrong(doctor, name):
    daemon = getattr(doctor.site, name)
    daemon.config["no_such_key"] = 1
    doctor.finds("fail", daemon.program, "no_such_key", f"{daemon.program} -c ")


def test_a_secret_that_others_may_read(doctor):
    doctor.site.server.config["key"].chmod(0o644)
    doctor.finds("fail", "provbox-server", "`key`", "-t")


def test_a_certificate_that_ends_soon(doctor):
    doctor.site.server.config["expiry_warning"] = "366d"
    doctor.finds("warn", "provbox-server", "expiring", "SIGHUP")


def test_what_has_ended(doctor):
    """A revocation list that is past its next update."""
    trust = doctor.site.pki.landnet
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    trust.write_crl(next_update=yesterday)
    doctor.finds("fail", "provbox-server", "ev=expired", "replace the file, then SIGHUP")


def test_a_clock_that_is_wrong(doctor):
    """The database's seems to be, to whoever asks it."""
    doctor.site.db.query(
        "create schema wrong; grant usage on schema wrong to public;"
        "create function wrong.clock_timestamp() returns timestamptz language sql as"
        " $$ select pg_catalog.clock_timestamp() - interval '5 seconds' $$;"
        f"alter database {doctor.site.db.name} set search_path = wrong, pg_catalog")
    doctor.finds("warn", "clock", "s behind", "NTP")


@pytest.mark.parametrize("statement, verdict, name, found, fix", [
    ("delete from provbox.schema_version where version = (select max(version)"
     " from provbox.schema_version)", "fail", "024_smsc_link.sql", "not applied",
     "provctl db upgrade"),
    ("update provbox.schema_version set sha256 = sha256('') where version = 1", "fail",
     "001_base.sql", "other content", "provctl db status"),
    ("grant select on provbox.device to provbox_server", "fail", "role provbox_server",
     "tables: device", "revoke all on all tables"),
    ("revoke execute on function provbox.smsc_lease from provbox_smsc", "fail",
     "role provbox_smsc", "may not call smsc_lease(", "grant execute"),
    ("revoke execute on function provbox.smsc_news from provbox_smsc", "fail",
     "role provbox_smsc", "may not call smsc_news(", "grant execute on function smsc_news("),
    ("revoke usage on schema provbox from provbox_smsc", "fail", "role provbox_smsc",
     "may not call its functions", "grant usage"),
    ("grant execute on function provbox.user_erase to provbox_smsc", "fail",
     "role provbox_smsc", "not for it: user_erase(", "revoke execute on function user_erase("),
    ("grant execute on function provbox.request_move to provbox_server", "fail",
     "role provbox_server", "not for it: request_move(", "revoke execute"),
    ("grant usage on sequence provbox.epoch to provbox_server", "fail", "role provbox_server",
     "sequences: epoch", "revoke all on all sequences"),
    ("grant create on schema provbox to provbox_operator", "fail", "role provbox_operator",
     "creates in the schema", "revoke create on schema"),
    ("grant execute on function provbox.device_import to public", "fail", "role public",
     "may call", "revoke execute"),
    ("insert into provbox.outbox (kind, key, state) values ('billing', 'k', 'dead')", "fail",
     "queue billing", "1 dead", "provctl outbox retry"),
    ("insert into provbox.outbox (kind, key, created) values ('mail', 'k',"
     " now() - interval '1 hour')", "warn", "queue mail", "1 due, the oldest 36",
     "--state=due"),
    ("insert into provbox.smsc_link values ('west', now() - interval '1 hour')", "warn",
     "link west", "last seen", "start provbox-smsc"),
    ("update provbox.device set msisdn = null", "warn", "devices", "1 without a number",
     "device import"),
    ("update provbox.device set postcode = null", "warn", "devices", "1 without an owner",
     "device import"),
    ("update provbox.catalogue set is_current = false", "warn", "catalogue", "there is none",
     "catalogue load"),
], ids=lambda value: value if value[:5] in ("role ", "queue", "link ") else "")
def test_a_database_that_is_not_as_it_should_be(doctor, statement, verdict, name, found, fix):
    doctor.site.db.query(statement)
    doctor.finds(verdict, name, found, fix)


def test_what_is_to_be_typed_mends_the_rights(doctor):
    query = doctor.site.db.query
    query("revoke execute on function provbox.smsc_news, provbox.smsc_parts from provbox_smsc;"
          "grant execute on function provbox.user_erase, provbox.request_move to provbox_server")
    found = doctor.run(1)
    for role in ("provbox_smsc", "provbox_server"):
        query(found["rights", f"role {role}"]["fix"] + "; reset search_path")
    doctor.run(0)


def test_roles_with_too_many_rights(doctor, cluster):
    """Roles belong to the cluster: what is broken here is mended at once."""
    try:
        cluster.execute("alter role provbox_smsc createdb")
        cluster.execute("grant provbox_owner to provbox_server")
        cluster.execute("alter role provbox_owner login")
        found = doctor.run(1)
    finally:
        cluster.execute("alter role provbox_smsc nocreatedb")
        cluster.execute("revoke provbox_owner from provbox_server")
        cluster.execute("alter role provbox_owner nologin")
    assert "createdb" in found["rights", "role provbox_smsc"]["found"]
    assert "member of provbox_owner" in found["rights", "role provbox_server"]["found"]
    assert "nologin" in found["rights", "role provbox_owner"]["fix"]


def test_provctl_as_somebody_else(doctor):
    doctor.dsn = doctor.site.db.dsn("postgres")
    doctor.finds("warn", "dsn", "provctl is postgres", "user=provbox_operator")


@pytest.mark.parametrize("setting, config, verdict, name, fix", [
    ({"verification": "service"}, {}, "fail", "verification", "verification local"),
    ({}, {"verification_url": "https://localhost:1/"}, "warn", "verification",
     "verification service"),
    ({}, {"billing_url": ""}, "fail", "billing_delivery", "billing_delivery file"),
    ({"billing_delivery": "file"}, {}, "fail", "billing_delivery", "billing_delivery post"),
    ({}, {"billing_folder": "/tmp"}, "warn", "billing_delivery", "billing_delivery both"),
    ({"credential_life": "1 minute"}, {}, "fail", "credential_life", "credential_life"),
])
def test_settings_that_contradict_a_configuration(doctor, setting, config, verdict, name, fix):
    doctor.site.schema.setting(**setting)
    doctor.site.server.config.update(config)
    if "verification_url" in config:
        doctor.site.server.config["verification_trust"] = doctor.site.pki.billing.path
    doctor.finds(verdict, name, "", fix)


def test_copies_that_nobody_sends(doctor):
    doctor.site.schema.import_devices(
        device(DEV2, "+447700900124", email="ada@example.com", fax="+442079460000"))
    found = doctor.run(0)
    assert "mail_url" in found["settings", "mail_url"]["fix"]
    assert "hook_url" in found["settings", "hook_url"]["fix"]


def test_a_bare_yes_over_several_links(doctor):
    with socket.create_server(("127.0.0.1", 0)) as box:
        doctor.site.smsc.config["bearerbox", "west"] = {
            "address": f"127.0.0.1:{box.getsockname()[1]}"}
        doctor.finds("warn", "bare_smsc_ids", "bare YES", "setting put bare_smsc_ids")


def test_a_bearerbox_that_is_away(doctor):
    doctor.box.close()
    doctor.finds("fail", f"127.0.0.1:{doctor.site.bearerbox.box_port}", "does not answer",
                 "systemctl start kannel")


def test_a_box_port_for_everybody(doctor):
    doctor.box.close()
    with socket.create_server(("0.0.0.0", doctor.site.bearerbox.box_port)):
        doctor.finds("fail", f"127.0.0.1:{doctor.site.bearerbox.box_port}", "beyond loopback",
                     "smsbox-interface = 127.0.0.1")


@pytest.mark.parametrize("line, by, name, fix", [
    ("admin-password", "admin-password = bar", "admin-password", "openssl rand"),
    ("admin-password", "admin-password = CHANGE-ME", "admin-password", "openssl rand"),
    ("status-password", "status-password = foo", "status-password", "openssl rand"),
    ("admin-interface", "", "admin-port", "admin-interface = 127.0.0.1"),
    ("smsbox-interface", "smsbox-interface = 0.0.0.0", "smsbox-port",
     "smsbox-interface = 127.0.0.1"),
    ("log-level", "wapbox-port = 13002", "wapbox-port", "take wapbox-port out"),
    ("log-level", "ppg-port = 8080", "ppg-port", "take ppg-port out"),
    ("box-allow-ip", "", "box-allow-ip", "box-deny-ip"),
    ("store-type", "store-type = file", "store-type", "store-type = spool"),
])
def test_a_kannel_that_is_open(doctor, line, by, name, fix):
    conf = doctor.site.bearerbox.conf
    lines = conf.read_text().splitlines()
    conf.write_text("\n".join(by if one.startswith(line + " ") else one for one in lines) + "\n")
    doctor.finds("fail", name, "", fix)
