"""A PostgreSQL cluster at rest, of which the clusters of a run are copies.

A cluster and the two databases that tests copy cost the processor two seconds to make and
a twentieth of one to copy, and a run has twenty clusters. The processes of a run share one
folder: who needs the model first makes it there, and the others wait.

Runs may share one, too: PROVBOX_MODEL names a folder that is there, and stays. A run whose
schema is another than the model's takes of it the cluster alone.
"""

import fcntl
import hashlib
import json
import pathlib
import subprocess

from harness.postgres import SQL, Cluster, Database
from harness.schema import Schema


class Model:
    def __init__(self, folder):
        """In a folder that is there and that others may enter; the caller removes it."""
        self.folder = pathlib.Path(folder)
        self.made = self.folder / "model.json"

    def copy_to(self, data):
        """Fill the data folder of a cluster; how many databases are in it, and which of them
        are templates of Cluster."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.made.exists():
                self._make()
        model = json.loads(self.made.read_text())
        subprocess.run(["cp", "--archive", model["data"], data], check=True)
        is_ours = model["schema"] == schema_digest()
        return model["databases"], model["templates"] if is_ours else {}

    def _make(self):
        class FirstCluster(Cluster):
            place = self.folder
            model = None

        cluster = FirstCluster()
        for prepare in (Database.install_schema, Schema.install):
            template = Database(cluster, cluster.template(prepare))
            # A third less to copy, and to drop.
            template.query("vacuum full")
            template.close()
        cluster.stop_server()
        self.made.write_text(json.dumps({
            "data": str(cluster.data), "databases": cluster.databases,
            "schema": schema_digest(), "templates": cluster.templates}))


def schema_digest():
    """Of the files that make what the templates hold."""
    digest = hashlib.sha256()
    for path in sorted(SQL.glob("*.sql")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
