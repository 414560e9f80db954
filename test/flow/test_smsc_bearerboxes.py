"""Several bearerboxes: numbers are divided among those that are there, and follow them."""

import os
import signal

import pytest
from harness import daemon, wait

WEST = ("bearerbox", "west")
N = 40


def number(n):
    return f"+447700900{n:03}"


def queue(site, text):
    """A notice to each of N numbers."""
    site.schema.table("select notice_put(null, '+447700900' || to_char(n, 'FM000'), 'status', 'en', %s)"
                      " from generate_series(1, %s) n", text, N)


def links(site, text):
    """{number: links through which its notice went, in order}, of notices that the SMSC has."""
    return {row["msisdn"]: row["links"] for row in site.schema.table(
        "select n.msisdn, array_agg(p.link order by p.part, p.attempt) as links from notice n"
        " join notice_part p on p.notice = n.id where n.text = %s and n.state = 'accepted'"
        " group by n.id", text)}


def sent(site, text, timeout_s=20):
    """Queue, and wait for the reports on all of them."""
    queue(site, text)
    wait.until(lambda: len(links(site, text)) == N, f"{N} notices accepted", timeout_s)
    return links(site, text)


def served(found, name):
    return {msisdn for msisdn, went in found.items() if went[-1].endswith(f"/{name}")}


def submitted(centre):
    return sum(event["status"] == "0" for event in centre.process.events("submit"))


@pytest.fixture
def both(site):
    """The database and two message centres with a bearerbox each."""
    site.west = site.second_centre()
    for centre in site.smscsim, site.smscsim2:
        centre.options = {"log-level": "debug"}
    site.start("database", "smscsim", "smscsim2", "bearerbox", "bearerbox2")
    for box in site.bearerbox, site.bearerbox2:
        box.wait_online()
    site.schema.setting(link_failover="2 seconds", messages_per_hour=1000)
    site.smsc.config.update(lease="4s", ack_timeout="1s")
    return site


def links_up(site):
    return {name: value for name, value in site.smsc.metrics().items()
            if name.startswith("provbox_smsc_link_up")}


def start_link(site):
    site.start("smsc")
    site.smsc.process.wait_for(lambda: sum(links_up(site).values()) == 2, "both links")
    wait.until(lambda: len(site.schema.table("select name from smsc_link")) == 2, "both to lease")


def test_two_bearerboxes_share_the_numbers(both):
    both.smsc.config[WEST] = both.west
    start_link(both)
    first, second = sent(both, "first"), sent(both, "second")
    assert first == second  # each number has one link
    assert all(len(went) == 1 for went in first.values())
    west = served(first, "west")
    assert 5 < len(west) < 35 and len(west | served(first, "sim")) == N
    assert submitted(both.smscsim2) == 2 * len(west)
    assert submitted(both.smscsim) == 2 * (N - len(west))
    assert links_up(both) == {'provbox_smsc_link_up{bearerbox="sim"}': 1,
                              'provbox_smsc_link_up{bearerbox="west"}': 1}


def test_the_other_takes_over_and_gives_back(both):
    both.smsc.config[WEST] = both.west
    start_link(both)
    before = sent(both, "before")
    west = served(before, "west")

    # It dies with parts that it never acknowledged.
    os.kill(both.bearerbox2.process.pid, signal.SIGSTOP)
    queue(both, "meanwhile")
    wait.until(lambda: both.schema.table("select 1 as n from notice_part where link like '%%/west'"
                                         " and state = 'sent'"), "parts on their way west")
    both.bearerbox2.process.kill()
    wait.until(lambda: len(links(both, "meanwhile")) == N, "all through the other", 20)
    meanwhile = links(both, "meanwhile")
    assert served(meanwhile, "sim") == set(map(number, range(1, N + 1)))
    again = {msisdn for msisdn, went in meanwhile.items() if len(went) > 1}
    assert again and again <= west  # what had not been acknowledged, and nothing else
    assert links_up(both) == {'provbox_smsc_link_up{bearerbox="sim"}': 1,
                              'provbox_smsc_link_up{bearerbox="west"}': 0}
    assert both.smsc.metrics()["provbox_smsc_ready"] == 1

    both.bearerbox2.start()
    both.bearerbox2.wait_online()
    both.smsc.process.wait_for(lambda: sum(links_up(both).values()) == 2, "both links")
    wait.until(lambda: not both.schema.table(
        "select 1 as n from smsc_link where seen < now() - interval '2 seconds'"), "it to lease")
    assert sent(both, "after") == before


def reload(site):
    path = site.directory / "provbox-smsc.conf"
    path.write_text(daemon.config_text(site.smsc.config))
    before = len(site.smsc.events("reloaded"))
    os.kill(site.smsc.process.pid, signal.SIGHUP)
    site.smsc.process.wait_for(lambda: len(site.smsc.events("reloaded")) > before, "ev=reloaded", 20)


def test_a_reload_adds_a_bearerbox_and_takes_one_away(both):
    both.start("smsc")
    assert served(sent(both, "one"), "sim") == set(map(number, range(1, N + 1)))
    both.smsc.config[WEST] = both.west
    reload(both)
    both.smsc.process.wait_for(lambda: links_up(both).get(
        'provbox_smsc_link_up{bearerbox="west"}') == 1, "the new link")
    wait.until(lambda: len(both.schema.table("select name from smsc_link")) == 2, "it to lease")
    assert served(sent(both, "two"), "west")
    del both.smsc.config["bearerbox", "sim"]
    reload(both)
    assert served(sent(both, "three"), "west") == set(map(number, range(1, N + 1)))
    wait.until(lambda: links_up(both) == {'provbox_smsc_link_up{bearerbox="west"}': 1},
               "the old link to go")
