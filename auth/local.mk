noinst_LIBRARIES += auth/libauth.a
auth_libauth_a_SOURCES = \
	auth/auth.h \
	auth/authority.c \
	auth/encode.c \
	auth/field.h \
	auth/grant.c \
	auth/identity.c \
	auth/jws.c auth/jws.h \
	auth/keyring.c \
	auth/keys.c \
	auth/message.c \
	auth/proof.c auth/proof.h auth/proof_claims.c \
	auth/reason.c \
	auth/signer.c auth/signer.h auth/signer_provider.c \
	auth/signing.c auth/signing.h \
	auth/standing.c \
	auth/zone.c

check_PROGRAMS += \
	test/unit/test_authority \
	test/unit/test_encode \
	test/unit/test_exporter \
	test/unit/test_grant \
	test/unit/test_identity \
	test/unit/test_jws \
	test/unit/test_keyring \
	test/unit/test_keys \
	test/unit/test_message \
	test/unit/test_proof \
	test/unit/test_reason \
	test/unit/test_signer \
	test/unit/test_signing \
	test/unit/test_standing \
	test/unit/test_zone

test_unit_test_authority_LDADD = $(AUTH_LIBS)
test_unit_test_encode_LDADD = $(AUTH_LIBS)
test_unit_test_grant_LDADD = $(AUTH_LIBS)
test_unit_test_identity_LDADD = $(AUTH_LIBS)
test_unit_test_jws_LDADD = $(AUTH_LIBS)
test_unit_test_keyring_LDADD = $(AUTH_LIBS)
test_unit_test_keyring_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
test_unit_test_keys_LDADD = $(AUTH_LIBS)
test_unit_test_message_LDADD = $(AUTH_LIBS)
test_unit_test_proof_LDADD = $(AUTH_LIBS)
test_unit_test_reason_LDADD = $(AUTH_LIBS)
test_unit_test_signer_LDADD = $(AUTH_LIBS)
test_unit_test_signing_LDADD = $(AUTH_LIBS)
test_unit_test_standing_LDADD = $(AUTH_LIBS)
test_unit_test_zone_LDADD = $(AUTH_LIBS)

fuzz_targets += \
	test/fuzz/fuzz_grant \
	test/fuzz/fuzz_identity \
	test/fuzz/fuzz_message \
	test/fuzz/fuzz_proof \
	test/fuzz/fuzz_signing \
	test/fuzz/fuzz_zone
test_fuzz_fuzz_grant_LDADD = $(AUTH_LIBS)
test_fuzz_fuzz_identity_LDADD = $(AUTH_LIBS)
test_fuzz_fuzz_message_LDADD = $(AUTH_LIBS)
test_fuzz_fuzz_proof_LDADD = $(AUTH_LIBS)
test_fuzz_fuzz_signing_LDADD = $(AUTH_LIBS)
test_fuzz_fuzz_zone_LDADD = $(AUTH_LIBS)

EXTRA_DIST += \
	test/unit/cert.h \
	test/unit/claims.h \
	test/unit/directory.h \
	test/unit/proof_site.h \
	test/unit/signer_world.h \
	test/unit/vector.h \
	test/vectors/encode.json \
	test/vectors/exporter.json \
	test/vectors/grant.json \
	test/vectors/make_auth_vectors.py \
	test/vectors/proof.json
