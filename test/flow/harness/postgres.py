"""A private PostgreSQL cluster, and one database with the schema for each site.

The cluster listens on a socket in its own directory only. Peer authentication with a
map lets the user who runs the tests be every role of Provbox, so that no password
exists. As root the server runs as `postgres`: initdb refuses root.
"""

import hashlib
import os
import pathlib
import pwd
import re
import select
import shutil
import subprocess
import tempfile
import threading

import psycopg2
import psycopg2.extras

from harness import paths, process

# Who we are by our uid, as PostgreSQL sees it: after `su`, $USER is still the user before.
OUR_NAME = pwd.getpwuid(os.getuid()).pw_name
OS_USER = "postgres" if os.getuid() == 0 else None
ADMINISTRATOR = "postgres"
ROLES = ("provbox_server", "provbox_smsc", "provbox_operator")
SQL = paths.SOURCE / "provisioning" / "sql"

SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{directory}'
unix_socket_permissions = 0777
max_connections = 200
shared_buffers = 64MB
timezone = 'UTC'
log_timezone = 'UTC'
# Tells of both sides of a deadlock where they stood: the one that waited, the one that gave up.
log_lock_waits = on
deadlock_timeout = 200ms
# The data need not outlive the test.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class Cluster:
    """A running cluster; stop() removes it."""

    settings = SETTINGS
    place = None  # the folder that it is in; None: memory, where there is room
    access = "local all all peer map=tests\n"
    # What is to be copied (harness/model.py); None: nothing, it is made from nothing.
    model = None

    def __init__(self):
        self.directory = pathlib.Path(
            tempfile.mkdtemp(prefix="provbox-pg-", dir=self.place or paths.memory_directory()))
        self.directory.chmod(0o755)
        self.data = self.directory / "data"
        self.server = None
        self.templates = {}
        self.databases = 0  # so many were made; each is named by its number
        self.administration = Database(self, "postgres")
        if OS_USER:
            shutil.chown(self.directory, OS_USER, OS_USER)
        if self.model:
            self.databases, self.templates = self.model.copy_to(self.data)
        else:
            self._make()
        self._initialise()
        self.start()

    def _make(self):
        subprocess.run(
            [*process.as_user(OS_USER), paths.POSTGRES / "initdb", "--pgdata", self.data,
             "--username", ADMINISTRATOR, "--auth", "peer", "--encoding", "UTF8",
             "--locale", "C.UTF-8", "--no-sync"],
            check=True, cwd=self.directory, stdout=subprocess.PIPE)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write("include 'cluster.conf'\n")

    def _initialise(self):
        """What a cluster has of its own."""
        (self.data / "cluster.conf").write_text(
            self.settings.format(directory=self.directory))
        (self.data / "pg_hba.conf").write_text(self.access)
        (self.data / "pg_ident.conf").write_text(
            "".join(f"tests {user} {role}\n"
                    for user in sorted({OUR_NAME, ADMINISTRATOR})
                    for role in (ADMINISTRATOR, *ROLES)))

    def start(self):
        self.server = process.Process(
            "postgres", [paths.POSTGRES / "postgres", "-D", self.data], self.directory,
            user=OS_USER)
        self.server.wait_for(self._answers, "a first connection")

    def _answers(self):
        try:
            self.connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def lock_log(self, start=0):
        """What the server logged, from an offset of its log, of deadlocks and long waits."""
        entries = re.split(r"\n(?=\d{4}-\d\d-\d\d [^\n]*? (?:LOG|ERROR):)",
                           self.server.log()[start:])
        return "\n".join(entry for entry in entries
                         if "deadlock" in entry or "still waiting" in entry)

    def stop_server(self):
        self.administration.close()
        self.server.popen.send_signal(2)  # SIGINT: fast shutdown
        self.server.wait(20)

    def stop(self):
        self.stop_server()
        shutil.rmtree(self.directory)

    def dsn(self, database, role):
        return f"host={self.directory} dbname={database} user={role}"

    def connect(self, database, role=ADMINISTRATOR):
        connection = psycopg2.connect(self.dsn(database, role))
        connection.autocommit = True
        return connection

    def execute(self, statement):
        """In no database that a test has, as the administrator."""
        self.administration.query(statement)

    def new_database(self, prepare):
        """A database as `prepare(Database)` leaves it, copied when it was made before."""
        return self._create(self.template(prepare))

    def template(self, prepare):
        """Name of the database that is copied for those that are as `prepare` leaves them."""
        key = prepare.__qualname__
        if key not in self.templates:
            template = self._create("template0")
            prepare(template)
            template.close()
            self.templates[key] = template.name
        return self.templates[key]

    def _create(self, template):
        self.databases += 1
        name = f"provbox{self.databases}"
        # By files: block by block through the log, the default, costs twice the time.
        self.execute(f"create database {name} template {template} strategy file_copy")
        return Database(self, name)


def _plain(value):
    return bytes(value) if isinstance(value, memoryview) else value


def rows_of(connection, statement, *parameters):
    """Rows as dictionaries; none for a statement without a result."""
    cursor = connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
    cursor.execute(statement, parameters)
    rows = cursor.fetchall() if cursor.description else []
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _has_ended(connection):
    """A connection on which the server speaks unasked is one that it has closed."""
    return connection.closed or select.select([connection], [], [], 0)[0]


class Database:
    """One database of a cluster, asked as the administrator.

    Each thread keeps a connection in each role until close(): to connect costs far more
    than to ask.
    """

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.connections = {}

    def dsn(self, role):
        return self.cluster.dsn(self.name, role)

    def query(self, statement, *parameters, role=ADMINISTRATOR):
        """Rows as dictionaries; none for a statement without a result."""
        key = threading.get_ident(), role
        if key not in self.connections or _has_ended(self.connections[key]):
            self.connections[key] = self.cluster.connect(self.name, role)
        return rows_of(self.connections[key], statement, *parameters)

    def value(self, statement, *parameters):
        """The one value of the one row."""
        (row,) = self.query(statement, *parameters)
        (value,) = row.values()
        return value

    def run_sql(self, *arguments):
        """psql as the administrator, stopping at the first error."""
        subprocess.run(
            [paths.POSTGRES / "psql", "-qX", "-v", "ON_ERROR_STOP=1", *arguments,
             self.dsn(ADMINISTRATOR)], check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)

    def install_schema(self):
        """Roles and migrations in the order of their numbers, as doc/database.md says."""
        self.run_sql("-f", SQL / "roles.sql")
        self.run_sql("-c", f"alter database {self.name} owner to provbox_owner")
        for path in sorted(SQL.glob("[0-9]*.sql")):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self.run_sql("-1", "-c", "set role provbox_owner", "-f", path, "-c",
                         f"select provbox.schema_record('{path.name}', '\\x{digest}')")

    def lock_out(self, role):
        """An outage of this database for one role: its connections end, none begins."""
        self.cluster.execute(f"alter role {role} connection limit 0")
        self.cluster.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                             f" where usename = '{role}' and datname = '{self.name}'")

    def let_in(self, role):
        self.cluster.execute(f"alter role {role} connection limit -1")

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def drop(self):
        self.close()
        self.cluster.execute(f"drop database {self.name} with (force)")
