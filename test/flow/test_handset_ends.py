"""However provisioning ends, the handset says why in plain words and by its exit status."""

import contextlib

import pytest
from harness import pki, wait
from harness.handset import Handset, order
from harness.schema import DEV, DEV2

STRANGER = "urn:gsma:imei:35209900-176150-0"


@pytest.fixture
def edge(site):
    """Everything of the wide band; no message is needed."""
    site.start("database", "billing", "smscsim", "server", "gateway")
    return site


def ends(handset, outcome, reason, words, *script, timeout_s=30):
    """Switch on, and see outcome, reason and sentence; the log of the run."""
    run = handset.used(*(script or ["wait screen ENDED"]), outcome=outcome,
                       timeout_s=timeout_s)
    ended = run.events("ended")[-1]
    assert ended["reason"] == reason
    assert words in " ".join(run.log().replace("|", " ").split())
    return run


def requests(site):
    return site.db.value("select count(*) from provbox.request")


def stored_events(site, dev):
    return [row["reason"] for row in site.db.query(
        "select reason from provbox.event where dev = %s and reason is not null", dev)]


def test_a_device_that_was_not_imported_is_told_so(edge):
    handset = Handset(edge, dev=STRANGER)
    ends(handset, "device_unknown", "device_unknown", "The operator does not know this phone.")
    assert "device_unknown" in stored_events(edge, STRANGER)
    assert requests(edge) == 0


def test_a_blocked_device_is_told_so(edge):
    handset = Handset(edge)
    edge.schema.rows("operator", "device_block", DEV, "stolen")
    ends(handset, "device_blocked", "device_blocked", "The operator has blocked this phone.")
    assert "device_blocked" in stored_events(edge, DEV)
    assert requests(edge) == 0


def test_a_limited_device_is_told_so(edge):
    handset = Handset(edge)
    edge.schema.rows("operator", "device_limit", DEV, "unpaid bill")
    ends(handset, "limited", "standing_limited", "This phone may reach customer care only.")
    assert requests(edge) == 0
    edge.schema.rows("operator", "device_unblock", DEV)
    handset.used("wait screen MENU", "key BACK", outcome="stopped")


def test_a_clone_stops_both_and_the_operators_choice_goes_on(edge):
    handset = Handset(edge)
    clone = edge.pki.device_leaf("clone", DEV)
    with edge.device(clone) as other:
        assert other.get("/v1/device").status == 200
        ends(handset, "device_blocked", "device_blocked", "The operator has blocked this phone.")
        assert "device_clone" in stored_events(edge, DEV)
        with contextlib.suppress(ConnectionError):  # the control stream may be quicker
            assert other.get("/v1/device").json()["reason"] == "device_blocked"
    ended = wait.until(lambda: (found := edge.gateway.events("session_end"))
                       and len(found) == 2 and found, "the ends of both")
    assert {end["reason"] for end in ended} == {"device_blocked"}
    record = edge.schema.row("operator", "device_show", DEV)
    (cred,) = [line.split(" ")[0] for line in record["credentials"]
               if not line.startswith(clone.fingerprint())]
    edge.schema.rows("operator", "device_trust", DEV, cred)
    handset.used("wait screen MENU", "key BACK", outcome="stopped")
    with edge.device(clone) as other:
        assert other.get("/v1/device").json()["reason"] == "device_blocked"


def test_customer_care_is_named_before_anything_else_works(site):
    """By what the factory put in: there is not even a gateway."""
    site.start("smscsim")
    handset = Handset(site, care_number="+447700900999", care_uri="https://care.example.com/")
    handset.used("wait screen ENDED", "expect text Customer care: +447700900999",
                 "expect text https://care.example.com/", outcome="unreachable")


def test_without_a_gateway_there_is_no_coverage(site):
    site.start("smscsim")
    ends(Handset(site), "unreachable", "connect_failed", "No coverage")


def test_without_a_server_it_says_so(edge):
    edge.server.stop()
    ends(Handset(edge), "unreachable", "server_unavailable",
         "The provisioning server cannot be reached.")


def test_a_gateway_of_another_network_gets_nothing(edge):
    other = pki.Authority(edge.directory / "other", "airnet")
    handset = Handset(edge)
    handset.configure(airnet_root=other.path)
    ends(handset, "not_authenticated", "certificate_unknown_ca",
         "could not show that it is genuine")
    assert not edge.server.events("request", route="/v1/authentication")


def test_a_gateway_with_another_name_gets_nothing(edge):
    handset = Handset(edge)
    handset.configure(gateway_name="other.example.com")
    ends(handset, "not_authenticated", "certificate_wrong_name",
         "could not show that it is genuine")


def test_a_device_of_another_authority_is_not_accepted(edge):
    stranger = pki.Authority(edge.directory / "other", "device")
    handset = Handset(edge)
    stranger.sign(handset.directory / "device.csr", handset.directory / "device.crt")
    ends(handset, "not_authenticated", "tls_alert", "did not accept this phone's identity")
    assert not edge.server.events("request", route="/v1/authentication")


def test_a_server_that_proves_nothing_gets_nothing_personal(edge):
    """The proof comes from a key under another root than the one that the handset has."""
    other = pki.Authority(edge.directory / "other", "proof")
    handset = Handset(edge)
    handset.configure(proof_root=other.path)
    ends(handset, "not_proven", "proof_untrusted", "so nothing about you was sent")
    assert requests(edge) == 0
    assert not edge.server.events("request", route="/v1/device")


def test_a_server_that_has_another_name_gets_nothing_personal(edge):
    handset = Handset(edge)
    handset.configure(provisioning_uri="https://other.example.com:8443/")
    ends(handset, "not_authenticated", "authentication_failed",
         "did not accept this phone's identity")
    assert requests(edge) == 0


def test_terms_are_read_and_declined_online(edge):
    """Without narrow band the terms are read over the wide one."""
    handset = Handset(edge)
    ends(handset, "declined", "terms_declined", "Nothing was changed",
         *order(1), "wait state offered", "key SOFT1", "wait screen TERMS",
         "wait text Terms of the example operator.", "key NO", "wait screen ENDED")
    assert handset.status()["features"] == []


def test_terms_are_read_and_accepted_online(edge):
    handset = Handset(edge)
    handset.used(*order(1), "wait state offered", "key SOFT1", "wait screen TERMS", "key YES",
                 "wait screen DONE", "expect text Compass 1.4.0: installed")
    assert handset.status()["features"][0]["says"] == "compass 1.4.0"


def test_terms_that_nobody_answers_expire(edge):
    edge.schema.setting(terms_lifetime="1 second")
    ends(Handset(edge), "expired", "offer_expired", "not answered in time",
         *order(1), "wait screen ENDED")


def test_a_card_number_never_leaves_the_handset(edge):
    handset = Handset(edge)
    run = handset.used(*order(1, reference="4111 1111 1111 1111"), "expect screen FORM",
                       "expect text Never type a card number here", "key BACK", "key BACK",
                       outcome="stopped")
    assert "ordered" not in run.log()
    assert requests(edge) == 0


def test_what_is_not_available_is_told_beside_what_was_installed(edge):
    """torch and strobe conflict: the first of them is installed."""
    handset = Handset(edge)
    handset.used(*order(1, 3, 4), "wait state offered", "key SOFT1", "wait screen TERMS",
                 "key YES", "wait screen DONE", "expect text Strobe 1.4.0: in conflict",
                 "expect text does not go together with something else that you chose")
    assert [f["id"] for f in handset.status()["features"]] == ["compass", "torch"]


def test_packages_and_services_are_not_offered_yet(edge):
    handset = Handset(edge)
    handset.used("wait screen MENU", "key 1", "expect screen PACKAGES",
                 "expect text No packages are offered", "key BACK", "key 3",
                 "expect screen SERVICES", "expect text No services are offered", "key BACK",
                 "key MENU", "expect screen PHONE", "expect text Standing: unprovisioned",
                 "key BACK", "expect screen MENU", "key BACK", outcome="stopped")


def test_a_script_that_expects_something_else_fails(edge):
    Handset(edge).used("wait screen MENU", "expect screen TERMS 1", outcome="script")


def test_the_certificate_must_name_the_device(edge):
    leaf = edge.pki.device_leaf("second", DEV2)
    run = Handset(edge, leaf=leaf).used("wait screen ENDED", outcome="config")
    assert "device.crt does not name urn:gsma:imei:35209900-176148-0" in run.log()
