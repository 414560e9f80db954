"""A database that is reached by TLS, from a process that can open hardly anything."""

import shutil

import pytest
from harness import openapi, pki, postgres, wait
from harness.caller import Caller


class TlsCluster(postgres.Cluster):
    """Serves `provbox_server` on loopback alone, and only by certificate."""

    def __init__(self):
        self.port = wait.free_port()
        self.settings = postgres.SETTINGS.replace(
            "listen_addresses = ''",
            f"listen_addresses = '127.0.0.1'\nport = {self.port}\nssl = on\n"
            "ssl_cert_file = '{directory}/pki/server.pem'\n"
            "ssl_key_file = '{directory}/pki/server.key'\n"
            "ssl_ca_file = '{directory}/pki/database.pem'")
        self.access += "hostssl all provbox_server 127.0.0.1/32 cert map=certificates\n"
        super().__init__()

    def _initialise(self):
        super()._initialise()
        self.pki = pki.Authority(self.directory / "pki", "database")
        self.leaf = self.pki.issue("server", dns=["db.example.com"], usages=[pki.SERVER])
        self.client = self.pki.issue("client", common_name="landnet", usages=[pki.CLIENT])
        for leaf in (self.leaf, self.client):
            if postgres.OS_USER:
                shutil.chown(leaf.key_path, postgres.OS_USER, postgres.OS_USER)
        with open(self.data / "pg_ident.conf", "a") as ident:
            ident.write("certificates landnet provbox_server\n")

    def dsn(self, database, role):
        if role != "provbox_server":
            return f"{super().dsn(database, role)} port={self.port}"
        return (f"host=db.example.com hostaddr=127.0.0.1 port={self.port} dbname={database}"
                f" user={role} sslmode=verify-full sslrootcert={self.pki.path}"
                f" sslcert={self.client.path} sslkey={self.client.key_path}")


@pytest.fixture(scope="module")
def cluster():
    running = TlsCluster()
    yield running
    running.stop()


UP = "provbox_server_database_up"


def test_the_server_connects_anew(site):
    if postgres.OS_USER:
        site.server.config["user"] = postgres.OS_USER
    site.start("database", "server")
    with Caller(site, openapi.Api()) as caller:
        caller.authenticate()
        caller.ask("GET", "/v1/device", 200)
        up = site.server.metrics()[UP]
        assert up > 0
        site.db.lock_out("provbox_server")
        wait.until(lambda: site.server.metrics()[UP] == 0, "the end of the database")
        site.db.let_in("provbox_server")
        wait.until(lambda: site.server.metrics()[UP] == up, "the database", 20)
        caller.ask("GET", "/v1/device", 200)
    assert site.db.value("select bool_and(ssl) from pg_stat_ssl join pg_stat_activity"
                         " using (pid) where usename = 'provbox_server'")
    assert not site.server.events("child_exit")
