"""Calls that this code does without, each with the reason."""

import re

import pytest
import tree

# what: (pattern, why and what instead, folders to which it applies)
EVERYWHERE = tree.PRODUCT_FOLDERS
DAEMONS = ("base", "auth", "gateway", "provisioning", "smsc")
ROLES = ("auth", "gateway", "provisioning", "smsc")
FORBIDDEN = {
    "unbounded copy": (
        r"\b(?:strcpy|strncpy|stpcpy|strcat|strncat|sprintf|vsprintf|gets)\s*\(",
        "no limit that holds: use slices, memcpy of a known length, or snprintf",
        EVERYWHERE),
    "sloppy number": (
        r"\b(?:atoi|atol|atoll|atof|sscanf|fscanf|vsscanf)\s*\(",
        "accepts junk and overflows silently: use the parsers of base/slice.h",
        EVERYWHERE),
    "hidden state": (
        r"\b(?:strtok|strtok_r|localtime|gmtime|ctime|asctime|rand|srand|random)\s*\(",
        "static state or a bad generator: use slices, gmtime_r, RAND_bytes",
        EVERYWHERE),
    "shell": (
        r"\b(?:system|popen|wordexp)\s*\(",
        "a shell sees the arguments: use fork and exec with an array",
        EVERYWHERE),
    "stack by input": (
        r"\b(?:alloca|strdupa|strndupa)\s*\(",
        "the size comes from outside: use the arena",
        EVERYWHERE),
    "predictable name": (
        r"\b(?:mktemp|tmpnam|tempnam)\s*\(",
        "a race: use mkstemp or mkdtemp",
        EVERYWHERE),
    "blocking database call": (
        r"\bPQ(?:exec|execParams|execPrepared|prepare|connectdb|connectdbParams|reset)\s*\(",
        "blocks the loop: use base/db.h",
        DAEMONS),
    "blocking name look-up": (
        r"\b(?:getaddrinfo|gethostbyname|gethostbyname2|getnameinfo)\s*\(",
        "blocks the loop: addresses are numeric in the configuration",
        DAEMONS),
    "sleep": (
        r"\b(?:sleep|usleep|nanosleep|clock_nanosleep)\s*\(",
        "blocks the loop: use a timer of base/loop.h",
        DAEMONS),
    "file of another generation": (
        r"\b(?:fopen|open|BIO_new_file)\s*\((?!files_path\()(?=[^;]*\b(?:path|certificate|key|file)\b)",
        "what a configuration names is read as it was with it: files_path() of base/files.h",
        ROLES),
    "deprecated OpenSSL": (
        r"\b(?:(?:SHA(?:1|224|256|384|512)|MD5|HMAC)_(?:Init|Update|Final|Init_ex)"
        r"|(?:EC_KEY|RSA|ECDSA(?!_SIG)|DSA|DH)_\w+|HMAC_CTX_new|AES_\w+|ENGINE_\w+"
        r"|SSL_library_init|EVP_PKEY_(?:assign|get0|get1|set1)_(?:EC_KEY|RSA|DH|DSA))\s*\(",
        "deprecated since 3.0: use EVP",
        EVERYWHERE),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_is_not_called(what):
    pattern, why, folders = FORBIDDEN[what]
    found = [
        f"{tree.name(path)}:{number}: {line.strip()}"
        for path in tree.c_files(*folders)
        for number, line in tree.code_lines(path)
        if re.search(pattern, line)
    ]
    assert not found, f"{what}: {why}\n" + "\n".join(found)


def test_the_patterns_find_what_they_name():
    for call in ("strcpy(a, b)", "atoi (s)", "strtok(s, x)", "PQexec(c, q)", "RSA_new()",
                 "getaddrinfo(h, p, 0, &r)", "usleep(5)", "SHA256_Init(&c)", "ECDSA_sign(0)"):
        assert any(re.search(p, call) for p, _, _ in FORBIDDEN.values()), call
    for call in ("my_strcpy(a)", "slice_copy(a)", "PQsendQueryParams(c)", "EVP_sha256()",
                 "ECDSA_SIG_new()"):
        assert not any(re.search(p, call) for p, _, _ in FORBIDDEN.values()), call
