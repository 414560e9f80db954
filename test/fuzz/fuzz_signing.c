/*
 * Fuzz target of the keys child's question: what is taken for one has one spelling, and
 * an input is a handshake's of one side alone.
 *
 * Parser: auth/signing.c
 */
#include "auth/signing.h"
#include "test/fuzz/fuzz.h"

static void check_scheme(const struct signing_scheme *scheme)
{
	REQUIRE(signing_scheme_of(scheme->id) == scheme);
	REQUIRE(signing_scheme_find(scheme->key_type, scheme->digest, scheme->is_pss) ==
		scheme);
	REQUIRE(signing_scheme_find(scheme->key_type, scheme->digest_alias,
				    scheme->is_pss) == scheme);
}

static void check_form(struct slice input)
{
	enum signing_form server = signing_form_of(input, TLS_SERVER),
			  client = signing_form_of(input, TLS_CLIENT);

	REQUIRE(client != SIGNING_FORM_TLS12);
	REQUIRE(server == SIGNING_FORM_NONE || client == SIGNING_FORM_NONE);
	if (server != SIGNING_FORM_NONE || client != SIGNING_FORM_NONE)
		REQUIRE(input.n <= SIGNING_INPUT_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_make(data, size);
	struct signing_question question;
	uint8_t again[SIGNING_QUESTION_BYTES];

	if (!signing_question_decode(bytes, &question))
		return 0;
	size_t n = signing_question_encode(&question, again);
	REQUIRE(n == 0 ? question.input.n > SIGNING_INPUT_BYTES
		       : slice_eq(slice_make(again, n), bytes));
	check_scheme(question.scheme);
	check_form(question.input);
	return 0;
}
