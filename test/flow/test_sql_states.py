"""The state machines: every legal move moves and tells, every other one is refused."""

import json

import psycopg2
import pytest

ACTOR = "operator"


def moves(schema, machine):
    """(every state, every event, {(from, event): to})"""
    states = [row["state"] for row in schema.table(f"select state from {machine}_state")]
    legal = {(row["from_state"], row["event"]): row["to_state"]
             for row in schema.table(f"select * from {machine}_transition")}
    return states, sorted({event for _, event in legal}), legal


def is_refused(call):
    with pytest.raises(psycopg2.Error) as error:
        call()
    return error.value.pgcode == "PB001"


def test_requests(schema):
    states, events, legal = moves(schema, "request")
    assert (len(states), len(events)) == (11, 11)
    request = schema.offered()
    rid = schema.table("select rid from request where id = %s", request)[0]["rid"]
    for state in states:
        for event in events:
            schema.table("update request set state = %s where rid = %s returning rid", state, rid)
            schema.table("update item set state = 'ready' where request = %s returning 1", rid)

            def move(event=event):
                return schema.table("select request_move(%s, %s, %s, null, null) as state",
                                    rid, event, ACTOR)[0]["state"]

            if (state, event) in legal:
                before = len(schema.events(request))
                assert move() == legal[state, event]
                told = [e for e in schema.events(request)[before:] if e[1] == event]
                assert told == [(ACTOR, event, state, legal[state, event], None)]
            else:
                assert is_refused(move), (state, event)
                now = schema.table("select state from request where rid = %s", rid)
                assert now[0]["state"] == state


def test_items(schema):
    states, events, legal = moves(schema, "item")
    assert (len(states), len(events)) == (7, 7)
    request = schema.offered()
    rid = schema.table("select rid from request where id = %s", request)[0]["rid"]
    for state in states:
        for event in events:
            schema.table("update item set state = %s where request = %s returning 1", state, rid)

            def move(event=event):
                return schema.table(
                    "select item_move(%s, 'compass', %s, %s, null, null) as state",
                    rid, event, ACTOR)[0]["state"]

            if (state, event) in legal:
                assert move() == legal[state, event]
                assert schema.events(request)[-1] == (
                    ACTOR, event, state, legal[state, event], None)
            else:
                assert is_refused(move), (state, event)


def test_final_states_have_no_way_out(schema):
    for machine in ("request", "item"):
        stuck = schema.table(
            f"select s.state from {machine}_state s left join {machine}_transition t"
            " on t.from_state = s.state group by s.state, is_open"
            " having is_open <> (count(t.event) > 0)")
        assert stuck == []


def test_every_state_can_be_reached(schema):
    for machine, first in (("request", "received"), ("item", "requested")):
        states, _, legal = moves(schema, machine)
        reached, more = set(), {first}
        while more:
            reached |= more
            more = {to for (state, _), to in legal.items() if state in reached} - reached
        assert reached == set(states)


def test_no_function_but_the_movers_writes_a_state(schema):
    writers = schema.table(
        "select distinct proname from pg_proc where pronamespace = 'provbox'::regnamespace"
        " and (prosrc ~* 'update (request|item) set[^;]*\\mstate = '"
        " or prosrc ~* 'insert into (request|item) \\([^)]*\\mstate\\M')")
    assert {row["proname"] for row in writers} == {"request_move", "item_move"}


def test_an_ended_request_leaves_nothing_open(schema):
    request = schema.offered("compass", "voice-mail")
    assert schema.answer(request, "decline")[2]["state"] == "declined"
    (row,) = schema.table("select is_open from offer")
    assert row["is_open"] is False
    _, _, body = schema.api("request_read", request, None)
    assert {item["state"] for item in body["items"]} == {"failed"}
    assert {item["reason"] for item in body["items"]} == {"request_ended"}


def test_the_story_has_every_move_in_order_with_its_actor(schema):
    request = schema.finished("compass")
    story = schema.events(request)
    requests = [e for e in story if e[1] in (
        "put", "verify", "offer", "accept", "deliver", "complete")]
    assert requests == [
        ("device", "put", None, "received", None),
        ("server", "verify", "received", "verifying", None),
        ("server", "offer", "verifying", "offered", None),
        ("device", "accept", "offered", "accepted", None),
        ("device", "deliver", "accepted", "delivering", None),
        ("device", "complete", "delivering", "done", None)]
    shown = schema.rows("operator", "request_show", None, request)
    assert [row["at"] for row in shown] == sorted(row["at"] for row in shown)
    assert len(shown) == len(story)
    assert "7700900123" not in json.dumps(shown, default=str)
