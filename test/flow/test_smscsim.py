"""The message centre holds its client to SMPP 3.4, and its handsets to doc/smsc.md."""

import socket
import struct
import time

import pytest
from harness.smscsim import Radio, Smscsim

NUMBER = "+447700900123"
BIND_RECEIVER, BIND_TRANSMITTER, SUBMIT, DELIVER, UNBIND, BIND_TRANSCEIVER, ENQUIRE = (
    1, 2, 4, 5, 6, 9, 0x15)
RESPONSE = 0x80000000
UDHI, RECEIPT = 0x40, 0x04


class Esme:
    """A client that sends what it is told to, right or wrong."""

    def __init__(self, centre):
        self.centre = centre
        self.socket = socket.create_connection(("127.0.0.1", centre.port), 10)
        self.sequence = 0

    def write(self, command, body=b"", status=0, sequence=None):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.socket.sendall(
            struct.pack(">IIII", 16 + len(body), command, status, sequence) + body)

    def _take(self, n):
        taken = b""
        while len(taken) < n:
            more = self.socket.recv(n - len(taken))
            if not more:
                return None
            taken += more
        return taken

    def read(self):
        """(command, status, sequence, body); None at the end of the link."""
        head = self._take(16)
        if head is None:
            return None
        size, command, status, sequence = struct.unpack(">IIII", head)
        return command, status, sequence, self._take(size - 16)

    def ask(self, command, body=b"", **knobs):
        """The status of the answer."""
        self.write(command, body, **knobs)
        answer = self.read()
        assert answer[0] == command | RESPONSE
        return answer[1]

    def bind(self, command=BIND_TRANSCEIVER, system_id=None, password=None):
        text = (system_id or self.centre.system_id, password or self.centre.password, "")
        body = b"".join(t.encode() + b"\0" for t in text) + b"\x34\0\0\0"
        return self.ask(command, body)

    def submit(self, data, *, to=NUMBER[1:], ton=1, esm_class=0, coding=0, registered=1):
        body = (b"\0" + b"\2\1" + b"4711\0" + bytes([ton, 1]) + to.encode() + b"\0"
                + bytes([esm_class, 0, 0]) + b"\0\0" + bytes([registered, 0, coding, 0])
                + bytes([len(data)]) + data)
        self.write(SUBMIT, body)

    def submitted(self, *arguments, **knobs):
        """(status, message id) of the answer."""
        self.submit(*arguments, **knobs)
        command, status, _, body = self.read()
        assert command == SUBMIT | RESPONSE
        return status, body.rstrip(b"\0").decode()

    def delivery(self):
        """(esm_class, from, to, data) of the next message for the client, answered."""
        command, _, sequence, body = self.read()
        assert command == DELIVER
        _, rest = body.split(b"\0", 1)
        source, rest = rest[2:].split(b"\0", 1)
        destination, rest = rest[2:].split(b"\0", 1)
        self.write(DELIVER | RESPONSE, b"\0", sequence=sequence)
        return rest[0], source.decode(), destination.decode(), rest[10:]

    def close(self):
        self.socket.close()


@pytest.fixture
def centre(tmp_path):
    """A centre that is started by its test with options of its own."""
    made = Smscsim(tmp_path)
    made.options["log-level"] = "debug"
    yield made
    if made.process.exit_status is None:
        made.stop()
        assert not made.complaints()


def started(centre, **options):
    centre.options.update({name.replace("_", "-"): value for name, value in options.items()})
    centre.start()
    esme = Esme(centre)
    assert esme.bind() == 0
    return esme


def radio(centre, number=NUMBER):
    return Radio(centre.radio, number)


def ends_with_protocol_error(centre, what):
    """The centre says what was wrong and exits with 1."""
    assert centre.process.wait_event("protocol_error")["what"] == what
    assert centre.process.stop() == 1


# ---- what works ------------------------------------------------------------------------


def test_a_part_reaches_the_handset_and_its_receipt_the_client(centre):
    esme = started(centre)
    with radio(centre) as handset:
        status, message = esme.submitted(b"hello")
        assert status == 0
        assert handset.next_part() == {
            "from": "4711", "dcs": 0, "udh": "", "data": b"hello".hex()}
        esm_class, source, destination, text = esme.delivery()
    assert (esm_class, source, destination) == (RECEIPT, NUMBER[1:], "4711")
    assert text.startswith(b"id:%s sub:001 dlvrd:001 submit date:" % message.encode())
    assert text.endswith(b" stat:DELIVRD err:000 text:")
    assert esme.ask(ENQUIRE) == 0
    assert esme.ask(UNBIND) == 0
    assert esme.read() is None


def test_header_and_data_are_told_apart(centre):
    esme = started(centre)
    with radio(centre) as handset:
        assert esme.submitted(b"\5\0\3\x1f\2\1" + "Ж".encode("utf-16-be"), esm_class=UDHI,
                              coding=8)[0] == 0
        assert handset.next_part() == {
            "from": "4711", "dcs": 8, "udh": "0500031f0201", "data": "0416"}


def test_a_part_waits_for_coverage_and_so_does_its_receipt(centre):
    esme = started(centre)
    assert esme.submitted(b"early")[0] == 0
    assert esme.submitted(b"early too")[0] == 0
    assert esme.ask(ENQUIRE) == 0  # no receipt came before this answer
    with radio(centre) as handset:
        assert bytes.fromhex(handset.next_part()["data"]) == b"early"
        assert bytes.fromhex(handset.next_part()["data"]) == b"early too"
        assert b"stat:DELIVRD" in esme.delivery()[3]
        assert b"stat:DELIVRD" in esme.delivery()[3]


def test_a_full_mailbox_fails_the_part(centre):
    esme = started(centre)
    for _ in range(100):
        assert esme.submitted(b"kept")[0] == 0
    assert esme.submitted(b"too many")[0] == 0
    assert b"dlvrd:000" in (text := esme.delivery()[3]) and b"stat:UNDELIV" in text


def test_no_receipt_is_sent_unless_it_was_asked_for(centre):
    esme = started(centre)
    with radio(centre) as handset:
        assert esme.submitted(b"quiet", registered=0)[0] == 0
        assert esme.submitted(b"failures only", registered=2)[0] == 0
        handset.next_part()
        handset.next_part()
        assert esme.ask(ENQUIRE) == 0


def test_a_handset_sends(centre):
    esme = started(centre)
    with radio(centre) as handset:
        handset.write({"send": {"to": "4711", "dcs": 0, "udh": "", "data": b"YES".hex()}})
        assert esme.delivery() == (0, NUMBER[1:], "4711", b"YES")
        assert list(handset.read()) == ["sent"]


def test_answers_are_in_order_and_one_at_a_time(centre):
    esme = started(centre)
    with radio(centre) as handset:
        for text in (b"one", b"two"):
            handset.write(
                {"send": {"to": "4711", "dcs": 0, "udh": "", "data": text.hex()}})
        assert esme.delivery()[3] == b"one"
        first = handset.read()["sent"]["id"]
        assert esme.delivery()[3] == b"two"
        assert int(handset.read()["sent"]["id"]) > int(first)


def test_a_message_that_the_client_refuses_is_told_to_the_handset(centre):
    esme = started(centre)
    with radio(centre) as handset:
        handset.write({"send": {"to": "4711", "dcs": 0, "udh": "", "data": "41"}})
        _, _, sequence, _ = esme.read()
        esme.write(DELIVER | RESPONSE, b"\0", status=0x64, sequence=sequence)
        assert handset.read() == {"error": "rejected"}


def test_without_a_client_a_handset_cannot_send(centre):
    centre.start()
    with radio(centre) as handset:
        assert handset.send("4711", "YES") == {"error": "no_client"}
        esme = Esme(centre)
        assert esme.bind(BIND_TRANSMITTER) == 0
        assert handset.send("4711", "YES") == {"error": "no_client"}


def test_a_receipt_outlives_the_link(centre):
    esme = started(centre)
    with radio(centre) as handset:
        assert esme.submitted(b"hello")[0] == 0
        handset.next_part()
        assert esme.read()[0] == DELIVER
        esme.close()  # without an answer
        again = Esme(centre)
        assert again.bind(BIND_RECEIVER) == 0
        assert b"stat:DELIVRD" in again.delivery()[3]


def test_a_new_attach_takes_the_number_over(centre):
    esme = started(centre)
    with radio(centre) as older, radio(centre) as newer:
        assert older.read() == {"error": "number_replaced"}
        assert esme.submitted(b"hello")[0] == 0
        assert newer.next_part()["data"] == b"hello".hex()


# ---- faults that were asked for ------------------------------------------------------


def test_throttling(centre):
    esme = started(centre, throttle=3)
    statuses = [esme.submitted(b"x")[0] for _ in range(6)]
    assert statuses.count(0x58) >= 2 and statuses[:3] == [0, 0, 0]
    time.sleep(1.1)
    assert esme.submitted(b"x")[0] == 0


def test_each_nth_submit_fails(centre):
    esme = started(centre, error_every=2, error_status=11)
    assert [esme.submitted(b"x")[0] for _ in range(4)] == [0, 11, 0, 11]


def test_each_nth_receipt_is_lost(centre):
    esme = started(centre, drop_receipt_every=2)
    with radio(centre):
        ids = [esme.submitted(b"x")[1] and esme.delivery()[3].split()[0].decode()
               if n % 2 == 0 else esme.submitted(b"x")[1] for n in range(4)]
        assert ids == ["id:1", "2", "id:3", "4"]
        assert esme.ask(ENQUIRE) == 0


def test_latency_and_late_receipts(centre):
    esme = started(centre, latency_ms=200, late_receipt_ms=300)
    with radio(centre):
        began = time.monotonic()
        assert esme.submitted(b"x")[0] == 0
        answered = time.monotonic()
        assert b"stat:DELIVRD" in esme.delivery()[3]
        assert 0.19 < answered - began < 2
        assert 0.29 < time.monotonic() - answered < 2


def test_submits_that_wait_are_bounded(centre):
    esme = started(centre, latency_ms=600_000)
    for _ in range(10_001):
        esme.submit(b"x")
    command, status, sequence, _ = esme.read()
    assert (command, status, sequence) == (SUBMIT | RESPONSE, 0x14, esme.sequence)
    assert esme.ask(ENQUIRE) == 0


# ---- clients that break the protocol ----------------------------------------------------


def test_a_wrong_password_is_refused(centre):
    centre.start()
    assert Esme(centre).bind(password="wrong") == 0x0E
    assert Esme(centre).bind(system_id="stranger") == 0x0F
    assert Esme(centre).bind() == 0


def test_a_submit_before_the_bind(centre):
    centre.start()
    esme = Esme(centre)
    assert esme.submitted(b"x")[0] == 0x04
    ends_with_protocol_error(centre, "bind_state")


def test_a_submit_on_a_receiver(centre):
    centre.start()
    esme = Esme(centre)
    assert esme.bind(BIND_RECEIVER) == 0
    esme.submitted(b"x")
    ends_with_protocol_error(centre, "bind_state")


def test_a_second_bind(centre):
    esme = started(centre)
    assert esme.bind() == 0x05
    ends_with_protocol_error(centre, "bind_state")


def test_a_sequence_number_that_does_not_increase(centre):
    esme = started(centre)
    assert esme.ask(ENQUIRE, sequence=1) == 0
    ends_with_protocol_error(centre, "sequence_not_increasing")


@pytest.mark.parametrize("sequence", [0, 0x80000000])
def test_a_sequence_number_out_of_range_ends_the_link(centre, sequence):
    esme = started(centre)
    esme.write(ENQUIRE, sequence=sequence)
    assert esme.read() is None
    ends_with_protocol_error(centre, "sequence_range")


def test_sequence_numbers_begin_again_after_the_last(centre):
    esme = started(centre)
    assert esme.ask(ENQUIRE, sequence=0x7FFFFFFF) == 0
    assert esme.ask(ENQUIRE, sequence=1) == 0


def test_an_answer_to_nothing(centre):
    esme = started(centre)
    esme.write(DELIVER | RESPONSE, b"\0", sequence=77)
    ends_with_protocol_error(centre, "answer_without_request")


@pytest.mark.parametrize("size", [0, 15, 5000, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_link(centre, size):
    esme = started(centre)
    esme.socket.sendall(struct.pack(">IIII", size, ENQUIRE, 0, 2))
    assert esme.read() is None
    ends_with_protocol_error(centre, "length")


def test_an_unknown_command_is_nacked(centre):
    esme = started(centre)
    esme.write(0x99)
    assert esme.read()[:2] == (RESPONSE, 3)
    ends_with_protocol_error(centre, "command_unknown")


def test_a_pdu_that_is_cut(centre):
    esme = started(centre)
    esme.write(SUBMIT, b"\0\2\1" + b"4711")
    assert esme.read()[0] == RESPONSE
    ends_with_protocol_error(centre, "malformed")


@pytest.mark.parametrize("what, data, knobs", [
    ("udh_length", b"\6\0\3\1\2\1", {"esm_class": UDHI}),
    ("udh_element_cut", b"\4\0\3\1\2" + b"x", {"esm_class": UDHI}),
    ("udh_concatenation", b"\5\0\3\1\2\3" + b"x", {"esm_class": UDHI}),
    ("too_long", b"x" * 161, {}),
    ("too_long", b"\5\0\3\1\2\1" + b"x" * 154, {"esm_class": UDHI}),
    ("septet_over_127", b"\x80", {}),
    ("escape_divided", b"a\x1b", {}),
    ("surrogate_pair_divided", b"\xd8\x3d", {"coding": 8}),
    ("data_coding", b"x", {"coding": 3}),
    ("destination_address", b"x", {"to": "44 77"}),
])
def test_a_message_that_no_handset_could_get(centre, what, data, knobs):
    esme = started(centre)
    assert esme.submitted(data, **knobs)[0] != 0
    ends_with_protocol_error(centre, what)


# ---- handsets that break theirs ---------------------------------------------------------


def line(centre, text, attached=True):
    """The answer to one raw line of a handset, and whether the connection ended."""
    handset = radio(centre) if attached else None
    raw = handset.socket if attached else socket.socket(socket.AF_UNIX)
    if not attached:
        raw.settimeout(10)
        raw.connect(str(centre.radio))
    raw.sendall(text)
    file = raw.makefile("rb")
    answer = file.readline()
    raw.settimeout(0.2)
    try:
        ended = file.readline() == b""
    except OSError:
        ended = False
    (handset or raw).close()
    return answer.decode().strip(), ended


@pytest.mark.parametrize("text", [
    b"\n", b"{}\n", b"[]\n", b"{\n", b'{"attach":7}\n', b'{"other":"x"}\n',
    b'{"attach":"+447700900123","attach":"+447700900124"}\n',
    b'{"send":{"to":"4711","dcs":0,"udh":""}}\n',
    b'{"send":{"to":"4711","dcs":0,"udh":"","data":"41","more":1}}\n',
    b"x" * 4097,
])
def test_a_line_that_is_not_understood_ends_the_connection(centre, text):
    centre.start()
    assert line(centre, text) == ('{"error":"bad_line"}', True)


def test_numbers_and_second_attaches(centre):
    centre.start()
    assert line(centre, b'{"attach":"447700900123"}\n', False) == (
        '{"error":"bad_number"}', True)
    assert line(centre, b'{"attach":"+447700900124"}\n') == (
        '{"error":"already_attached"}', True)
    assert line(centre, b'{"send":{"to":"1","dcs":0,"udh":"","data":"41"}}\n', False) == (
        '{"error":"not_attached"}', False)


@pytest.mark.parametrize("to, dcs, udh, data", [
    ("4711", 0, "", ""), ("4711", 0, "", "4"), ("4711", 0, "", "zz"), ("4711", 0, "", "80"),
    ("4711", 3, "", "41"), ("4711", 8, "", "41"), ("47a", 0, "", "41"), ("+", 0, "", "41"),
    ("4711", 0, "0400030102", "41"), ("4711", 0, "", "41" * 161),
])
def test_a_message_that_is_not_valid_is_not_sent(centre, to, dcs, udh, data):
    started(centre)
    with radio(centre) as handset:
        handset.write({"send": {"to": to, "dcs": dcs, "udh": udh, "data": data}})
        assert handset.read() == {"error": "bad_data"}
