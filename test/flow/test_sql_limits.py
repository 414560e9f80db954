"""What a device and a number may ask for, and what they are told when it is too much."""

import json
import uuid

import pytest
from harness.schema import DEV, DEV2, Schema, device, digest


@pytest.fixture
def schema(database):
    return Schema(database)


def test_a_refusal_by_a_limit_says_when_to_come_back_and_is_one_event_an_hour(schema):
    def refusal(**settings):
        schema.setting(**settings)
        row = schema.row("server", "request_put", DEV, schema.epoch(), "provision", str(uuid.uuid4()),
                         digest(b"{}"), json.dumps(schema.body()))
        return row["status"], row["reason"], row["retry_s"]

    for _ in range(4):
        schema.offered()
    schema.table("update request set created = created - interval '50 minutes' where rid ="
                 " (select min(rid) from request) returning 1")
    assert refusal() == refusal() == (429, "too_many_requests", 60)  # until one of them ends
    assert refusal(open_requests=100, requests_per_hour=0) == (429, "too_many_requests", 3600)
    status, reason, wait_s = refusal(requests_per_hour=4)
    assert (status, reason) == (429, "too_many_requests") and 590 < wait_s <= 600
    assert 3590 < refusal(requests_per_hour=3)[2] <= 3600
    status, reason, wait_s = refusal(requests_per_hour=100, messages_per_hour=4)
    assert (status, reason) == (429, "too_many_messages") and 3590 < wait_s <= 3600
    refused = schema.table("select actor, reason, request from event where kind = 'request_refused'"
                           " order by id")
    assert refused == [{"actor": "server", "reason": reason, "request": None}
                       for reason in ("too_many_requests", "too_many_messages")]


def test_devices_that_share_a_number_share_its_limit(schema):
    schema.import_devices(device(DEV2))
    schema.setting(requests_per_number=2)
    schema.offered()
    schema.offered(dev=DEV2)
    for dev in (DEV, DEV2):
        assert schema.put(schema.body(dev=dev), dev=dev)[:2] == (429, "too_many_requests_number")
    schema.import_devices(device(DEV2, "+447700900124"))
    schema.offered(dev=DEV2)
