"""PostgreSQL of the bench: durable, with the settings of a small site, and what is put
into it by the functions that the programs call."""

import contextlib
import json
import uuid

from harness import postgres, schema

# What a site would set on a machine of some GB, and nothing less durable.
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{directory}'
unix_socket_permissions = 0777
max_connections = 100
shared_buffers = 512MB
max_wal_size = 1GB
wal_compression = lz4
timezone = 'UTC'
log_timezone = 'UTC'
"""
BATCH = 500
# Devices have six digits in their serial numbers, so that none begins with a nought.
FIRST_TAC, FIRST_SERIAL, SERIALS = 35209900, 100000, 900000
# Of every device: nothing asks that they differ.
CRED = "5a" * 32
MESSAGE = "Terms of the example operator: one message, no charge for it."


class Cluster(postgres.Cluster):
    settings = SETTINGS


@contextlib.contextmanager
def running(kind=Cluster):
    cluster = kind()
    try:
        yield cluster
    finally:
        cluster.stop()


def dev(n):
    return f"urn:gsma:imei:{FIRST_TAC + n // SERIALS:08}-{FIRST_SERIAL + n % SERIALS}-0"


def number(n):
    return f"+999{n:09}"


def device(n):
    return schema.device(dev(n), number(n), cred=CRED)


def site(database):
    """A catalogue of one module, whose terms are one short message."""
    database.install_schema()
    one = schema.Schema(database)
    one.load(schema.manifest([schema.feature("compass")], {"en": MESSAGE}), [schema.MODULE])


def import_devices(one, first, last):
    for n in range(first, last, BATCH):
        one.import_devices(*map(device, range(n, min(n + BATCH, last))))


def put_request(one, n):
    """A request of device n, whose terms are due now; its id."""
    body = one.body(dev=dev(n))
    text, request = json.dumps(body), str(uuid.uuid4())
    found = one.row("server", "request_put", dev(n), one.epoch(dev(n)), "provision", request,
                    schema.digest(text.encode()), text)
    assert found["status"] == 201, found
    return request

