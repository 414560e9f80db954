/* What was damaged on its way, or never was TLS: nobody's fault that a reason may name.
 */
#include "test/unit/tls_pair.h"

static BIO *with_memory(SSL *ssl)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	CU_ASSERT_FATAL(in && out);
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(ssl, in, out);
	return out;
}

/* Hand on what a side said, with a bit of byte `at` of it changed; how long it was. */
static size_t hand_on(BIO *said, SSL *to, size_t at, uint8_t bit)
{
	char *bytes;
	const size_t n = (size_t)BIO_get_mem_data(said, &bytes);

	if (at < n)
		bytes[at] = (char)(bytes[at] ^ bit);
	CU_ASSERT_EQUAL_FATAL(BIO_write(SSL_get_rbio(to), bytes, (int)n), (int)n);
	CU_ASSERT_EQUAL(BIO_reset(said), 1);
	return n;
}

/* What a client makes of a handshake of which a bit was another: of its own flight, or
 * else of the server's. How long that flight was. */
static size_t shake_damaged(struct tls_context *s, struct tls_context *c, bool is_ours,
			    size_t at, uint8_t bit, enum tls_failure *failure)
{
	SSL *server = tls_new(s, NULL), *client = tls_new(c, "gw.example.com");
	BIO *from_server = with_memory(server), *from_client = with_memory(client);

	CU_ASSERT_EQUAL(step(client), TLS_FAILURE_NONE);
	const size_t n_ours =
		hand_on(from_client, server, is_ours ? at : SIZE_MAX, bit);
	step(server);
	const size_t n_theirs =
		hand_on(from_server, client, is_ours ? SIZE_MAX : at, bit);
	*failure = step(client);
	SSL_free(server);
	SSL_free(client);
	return is_ours ? n_ours : n_theirs;
}

static void says_nothing_of_the_server(struct tls_context *s, struct tls_context *c,
				       bool is_ours)
{
	static const uint8_t bits[] = { 0x01, 0x80 };
	enum tls_failure failure;
	size_t n = 1, n_failed = 0;

	for (size_t at = 0; at < n; at++)
		for (size_t i = 0; i < 2; i++) {
			n = shake_damaged(s, c, is_ours, at, bits[i], &failure);
			n_failed += failure != TLS_FAILURE_NONE;
			if (failure == TLS_FAILURE_NONE ||
			    failure == TLS_FAILURE_PROTOCOL)
				continue;
			printf("\nbyte %zu of %s: %s", at, is_ours ? "ours" : "theirs",
			       tls_failure_name(failure));
			CU_FAIL("damage counts as distrust");
		}
	CU_ASSERT(n > 200 && n_failed > n);
}

static void takes_no_damage_for_distrust(void)
{
	struct world w = world_new();
	struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings client = settings_of(TLS_CLIENT, w.airnet, w.device);

	server.tls12 = client.tls12 = false;
	struct tls_context *s = context_new(&server), *c = context_new(&client);
	says_nothing_of_the_server(s, c, true);
	says_nothing_of_the_server(s, c, false);
	tls_context_free(s);
	tls_context_free(c);
	world_free(&w);
}

static void names_garbage(void)
{
	struct world w = world_new();
	const struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_context *s = context_new(&server);
	SSL *ssl = tls_new(s, NULL);
	BIO *in = BIO_new_mem_buf("GET / HTTP/1.1\r\nHost: a\r\n\r\n", -1);

	SSL_set_bio(ssl, in, BIO_new(BIO_s_mem()));
	CU_ASSERT_EQUAL(step(ssl), TLS_FAILURE_PROTOCOL);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	SSL_free(ssl);
	tls_context_free(s);
	world_free(&w);
}

TEST_MAIN("tls_damage", TEST(takes_no_damage_for_distrust), TEST(names_garbage))
