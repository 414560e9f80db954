"""Whatever a daemon gives as reason, in the log or as a label of a metric, a person finds
in doc/reasons.md and by `provctl reason`."""

import re

import tree

DAEMONS = ("base", "auth", "gateway", "provisioning", "smsc")
# Arrays of the names that reasons have.
TABLES = (
    ("auth/reason.c", "names[REASON_N]"),
    ("base/conn.c", "failure_names[CONN_N_FAILURES]"),
    ("base/http.c", "errors[HTTP_N_ERRORS]"),
    ("base/link_wait.c", "reasons[LINK_N_WAITS]"),
    ("base/tls.c", "failure_names[TLS_N_FAILURES]"),
    ("gateway/gateway_metrics.c", "stranger_ends[STRANGER_N_ENDS]"),
    ("gateway/gateway_metrics.c", "control_losses[CONTROL_N_LOSSES]"),
    ("provisioning/api.c", "refusals[API_N_REFUSALS]"),
)
# Calls that are given a reason as a word, and which of their arguments it is.
CALLS = {"api_abort": 1, "link_end": 1, "link_refuse": 2, "log_refusal": 1, "peer_end": 1,
         "refuse_peer": 1, "set_problem": 1, "target_failed": 2}
# What log_str("reason", ...) may be given, beside a word: all of it comes from the above,
# or from the schema, whose reasons are rows by their type.
EXPRESSIONS = {
    "auth_reason_name(reason)", "call->reason", "control_loss_name(loss)",
    "exchange_reason(exchange)", "link_reason(line->link)", "notice->problem", "reason",
    "stranger_end_name(STRANGER_ADDRESS_LIMITED)",
    "control_loss_name(CONTROL_LOSS_REFUSED)",
}
WORD = r'"([a-z][a-z0-9_]*)"'


def rows():
    return set(re.findall(r"^\| `(\w+)`", (tree.TOP / "doc/reasons.md").read_text(), re.M))


def logged():
    """(file, what is given as reason) of each line of the log."""
    for path in tree.c_files(*DAEMONS):
        for given in re.findall(r'log_(?:str|slice)\(\s*"reason",\s*((?:[^()]|\([^()]*\))*)\)',
                                path.read_text()):
            yield tree.name(path), re.sub(r"\s+", " ", given)


def words():
    """(file, word) that is a reason somewhere."""
    for path in tree.c_files(*DAEMONS):
        text = path.read_text()
        given = re.findall(r"->problem = ([^;]*);", text)
        for call, number in CALLS.items():
            given += [arguments.split(",")[number] for arguments in re.findall(
                rf"\b{call}\(([^;{{]*?)\);", text)]
        yield from ((tree.name(path), word) for word in re.findall(WORD, " ".join(given)))
    for file, table in TABLES:
        text = (tree.TOP / file).read_text()
        assert f"{table} = {{" in text, f"{file}: no table {table}"
        body = text.split(f"{table} = {{")[1].split("\n};")[0].split("\n\t};")[0]
        found = re.findall(rf"\] = (?:{{ (?:[0-9]+, SLICE\()?)?{WORD}", body)
        assert len(found) > 2, f"{file}: {table} is read no more"
        yield from ((file, word) for word in found if word != "ok")
    for file, given in logged():
        yield from ((file, word) for word in re.findall(WORD, given))
    for label in re.findall(r"`reason`: ([^|]*) \|", (tree.TOP / "doc/metrics.md").read_text()):
        yield from (("doc/metrics.md", word) for word in label.split(", "))


def test_every_reason_has_a_row():
    found = set(words())
    assert len(found) > 150
    missing = {(file, word) for file, word in found if word not in rows()}
    assert missing == set(), \
        "each wants a row of provisioning/sql/002_reasons.sql, then contrib/pages/reasons >doc/reasons.md"


def test_whatever_is_logged_as_reason_is_known_here():
    found = list(logged())
    assert len(found) > 15
    for file, given in found:
        if not re.search(WORD, given):
            assert given in EXPRESSIONS, f"{file}: where do the words of {given} come from?"
