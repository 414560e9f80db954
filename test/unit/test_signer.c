#include "auth/signer.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "auth/auth.h"
#include "base/hatch.h"
#include "test/unit/cert.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

/* The linker sends everybody who reads a clock here: it can be set. */
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

static time_t wall_ahead_s;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int error = __real_clock_gettime(clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += wall_ahead_s;
	return error;
}

#define NAME         "gw.example.com"
#define ANSWER_BYTES 2048 /* over the signature of any RSA key that is used */
#define TIMEOUT_MS   5000 /* where an answer is to come */
#define SHORT_MS     100  /* where none is */

/* ---- A server and a client, and the keys child that signs for both ---- */

struct world {
	struct pki *pki;
	struct pki_leaf *server, *client;
	struct keyring *keyring;
	int hatch;
	pid_t child;
	struct signer *signer;
	int64_t first_delay_ms; /* of the child */
};

static char why[512];

static void keyring_of(struct world *w, bool tls12)
{
	char server_path[64], client_path[64];
	const struct keyring_key keys[] = {
		{ w->server->path, server_path, TLS_SERVER, tls12, "server" },
		{ w->client->path, client_path, TLS_CLIENT, false, "client" },
	};
	const char *name;

	snprintf(server_path, sizeof(server_path), "%s/server.key", w->pki->dir);
	snprintf(client_path, sizeof(client_path), "%s/client.key", w->pki->dir);
	cert_write_key(server_path, w->server->key);
	cert_write_key(client_path, w->client->key);
	w->keyring = keyring_load(keys, 2, &name, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(w->keyring);
	unlink(server_path);
	unlink(client_path);
}

/* Both keys are taken. */
static struct world world_new(EVP_PKEY *server, EVP_PKEY *client, int64_t timeout_ms)
{
	struct world w = { .pki = pki_new("Keys") };

	w.server = pki_issue(w.pki, "server",
			     &(struct pki_options){ .san = "DNS:" NAME,
						    .eku = "serverAuth",
						    .key = server });
	w.client =
		pki_issue(w.pki, "client",
			  &(struct pki_options){ .eku = "clientAuth", .key = client });
	pki_write_crl(w.pki, 3600);
	keyring_of(&w, true);
	w.hatch = hatch_make();
	CU_ASSERT_TRUE_FATAL(w.hatch >= 0);
	w.signer = signer_new(timeout_ms);
	signer_open(w.signer, w.hatch);
	return w;
}

static ssize_t answer(void *arg, struct slice question, uint8_t *out, size_t cap)
{
	struct world *w = arg;

	if (w->first_delay_ms > 0)
		usleep((useconds_t)w->first_delay_ms * 1000);
	w->first_delay_ms = 0;
	return keyring_answer(w->keyring, question, out, cap);
}

static void start_child(struct world *w)
{
	w->child = fork();
	if (w->child == 0) {
		hatch_serve(&w->hatch, 1, answer, w);
		_exit(0);
	}
}

static void stop_child(struct world *w)
{
	if (w->child > 0) {
		kill(w->child, SIGKILL);
		waitpid(w->child, NULL, 0);
	}
	w->child = 0;
}

static void world_free(struct world *w)
{
	stop_child(w);
	close(w->hatch);
	signer_free(w->signer);
	keyring_free(w->keyring);
	pki_free(w->pki);
}

/* ---- Handshakes ---- */

struct trial {
	bool server_asks, client_asks; /* for their signatures */
	int version;
	const char *schemes; /* what the client offers; NULL: all */
};

struct outcome {
	enum tls_failure server, client;
	int version, digest; /* of the server's signature */
};

static struct tls_context *context_of(struct world *w, enum tls_role role, bool asks)
{
	const struct pki_leaf *leaf = role == TLS_SERVER ? w->server : w->client;
	struct tls_settings settings = {
		.role = role,
		.chain_path = leaf->path,
		.key = asks ? signer_key(w->signer, leaf->path, why, sizeof(why))
			    : leaf->key,
		.trust_path = w->pki->ca_path,
		.crl_path = w->pki->crl_path,
		.tls12 = true,
	};
	struct tls_context *context = tls_context_new(&settings, why, sizeof(why));

	if (!context)
		printf("\n%s\n", why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(context);
	if (asks)
		EVP_PKEY_free(settings.key);
	return context;
}

static enum tls_failure step(SSL *ssl)
{
	char byte;

	ERR_clear_error();
	int result = SSL_do_handshake(ssl);
	if (result == 1) { /* a TLS 1.3 client learns its fate by reading */
		ERR_clear_error();
		result = SSL_read(ssl, &byte, 1);
	}
	return SSL_get_error(ssl, result) == SSL_ERROR_SSL ? tls_failure_of(ssl)
							   : TLS_FAILURE_NONE;
}

static void exchange(SSL *server, SSL *client, struct outcome *outcome)
{
	BIO *a, *b;

	CU_ASSERT_FATAL(server && client && BIO_new_bio_pair(&a, 65536, &b, 65536));
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	for (int turn = 0; turn < 8; turn++) {
		if (!outcome->client)
			outcome->client = step(client);
		if (!outcome->server)
			outcome->server = step(server);
	}
}

static struct outcome shake(struct world *w, const struct trial *trial)
{
	struct tls_context *s = context_of(w, TLS_SERVER, trial->server_asks);
	struct tls_context *c = context_of(w, TLS_CLIENT, trial->client_asks);
	SSL *server = tls_new(s, NULL), *client = tls_new(c, NAME);
	struct outcome outcome = { .server = TLS_FAILURE_NONE };

	SSL_set_max_proto_version(client, trial->version);
	/* TLS 1.2 takes a certificate of P-384 only from those who offer the group. */
	CU_ASSERT_EQUAL(SSL_set1_groups_list(client, "X25519:P-256:P-384"), 1);
	if (trial->schemes)
		CU_ASSERT_EQUAL(SSL_set1_sigalgs_list(client, trial->schemes), 1);
	exchange(server, client, &outcome);
	if (!outcome.server)
		outcome.server = tls_check_peer(server);
	if (!outcome.client)
		outcome.client = tls_check_peer(client);
	outcome.version = SSL_version(client);
	SSL_get_peer_signature_nid(client, &outcome.digest);
	SSL_free(server);
	SSL_free(client);
	tls_context_free(s);
	tls_context_free(c);
	return outcome;
}

static const struct trial tls13 = { .server_asks = true, .version = TLS1_3_VERSION };
static const struct trial tls13_client = { .client_asks = true,
					   .version = TLS1_3_VERSION };

static void assert_works(struct world *w, const struct trial *trial)
{
	struct outcome outcome = shake(w, trial);

	CU_ASSERT_STRING_EQUAL(tls_failure_name(outcome.server), "none");
	CU_ASSERT_STRING_EQUAL(tls_failure_name(outcome.client), "none");
	CU_ASSERT_EQUAL(outcome.version, trial->version);
}

static EVP_PKEY *rsa(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
}

static EVP_PKEY *ed25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void every_key_signs_for_both_sides(void)
{
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"), ed25519(), rsa(),
			     cert_key("P-256"), cert_key("P-384"), ed25519(), rsa() };

	for (size_t i = 0; i < 4; i++) {
		struct world w = world_new(keys[i], keys[i + 4], TIMEOUT_MS);

		start_child(&w);
		assert_works(&w, &tls13);
		assert_works(&w, &tls13_client);
		assert_works(&w, &(struct trial){ true, true, TLS1_3_VERSION, NULL });
		world_free(&w);
	}
}

static void every_key_signs_for_tls12(void)
{
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"), ed25519(), rsa() };

	for (size_t i = 0; i < 4; i++) {
		struct world w = world_new(keys[i], NULL, TIMEOUT_MS);

		start_child(&w);
		assert_works(&w, &(struct trial){ true, false, TLS1_2_VERSION, NULL });
		world_free(&w);
	}
}

/* What the client offers decides how the server signs. */
static void every_scheme_signs(void)
{
	static const struct {
		const char *schemes;
		int version, digest;
	} rows[] = {
		{ "RSA-PSS+SHA256", TLS1_3_VERSION, NID_sha256 },
		{ "RSA-PSS+SHA384", TLS1_3_VERSION, NID_sha384 },
		{ "RSA-PSS+SHA256", TLS1_2_VERSION, NID_sha256 },
		{ "RSA-PSS+SHA384", TLS1_2_VERSION, NID_sha384 },
		{ "RSA+SHA256", TLS1_2_VERSION, NID_sha256 },
		{ "RSA+SHA384", TLS1_2_VERSION, NID_sha384 },
	};
	struct world w = world_new(rsa(), rsa(), TIMEOUT_MS);

	start_child(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char schemes[64];

		/* The certificates are signed by ECDSA. */
		snprintf(schemes, sizeof(schemes), "%s:ECDSA+SHA256", rows[i].schemes);
		struct trial trial = { true, false, rows[i].version, schemes };
		struct outcome outcome = shake(&w, &trial);
		CU_ASSERT_EQUAL(outcome.server, TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(outcome.client, TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(outcome.version, rows[i].version);
		CU_ASSERT_EQUAL(outcome.digest, rows[i].digest);
	}
	world_free(&w);
}

static void tls12_is_signed_for_only_where_it_is_on(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);

	keyring_free(w.keyring);
	keyring_of(&w, false);
	start_child(&w);
	struct outcome outcome =
		shake(&w, &(struct trial){ true, false, TLS1_2_VERSION, NULL });
	CU_ASSERT_EQUAL(outcome.server, TLS_FAILURE_KEY);
	assert_works(&w, &tls13);
	world_free(&w);
}

/* ---- What is not signed ---- */

struct refusal {
	struct world *w;
	struct signing_question question;
	char input[SIGNING_INPUT_BYTES];
};

static struct refusal question_for(struct world *w, const struct pki_leaf *leaf,
				   uint16_t scheme)
{
	struct refusal r = { .w = w };
	bool is_server = leaf == w->server;

	CU_ASSERT_TRUE(tls_spki_hash(leaf->cert, r.question.spki));
	r.question.scheme = signing_scheme_of(scheme);
	int n = snprintf(r.input, sizeof(r.input), "%64sTLS 1.3, %s CertificateVerify",
			 "", is_server ? "server" : "client");
	r.question.input.n = (size_t)n + 1 + SHA256_BYTES;
	return r;
}

static ssize_t ask(struct refusal *r)
{
	uint8_t text[SIGNING_QUESTION_BYTES], out[ANSWER_BYTES];

	r->question.input.p = r->input;
	size_t n = signing_question_encode(&r->question, text);
	CU_ASSERT_NOT_EQUAL_FATAL(n, 0);
	return keyring_answer(r->w->keyring, slice_make(text, n), out, sizeof(out));
}

static void only_handshakes_are_signed(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);
	struct refusal good = question_for(&w, w.server, 0x0403), bad;

	CU_ASSERT_TRUE(ask(&good) > 0);
	for (size_t i = 0; i < good.question.input.n - SHA256_BYTES; i++) {
		bad = good;
		bad.input[i] ^= 1;
		CU_ASSERT_EQUAL(ask(&bad), -1);
	}
	for (size_t n = 0; n < good.question.input.n; n++) {
		bad = good;
		bad.question.input.n = n;
		CU_ASSERT_EQUAL(ask(&bad), -1);
	}
	world_free(&w);
}

static void a_key_signs_for_its_own_side_alone(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);
	struct refusal server = question_for(&w, w.server, 0x0403);
	struct refusal client = question_for(&w, w.client, 0x0403);
	struct refusal stranger = server;

	CU_ASSERT_TRUE(ask(&server) > 0);
	CU_ASSERT_TRUE(ask(&client) > 0);
	memcpy(stranger.question.spki, client.question.spki, SHA256_BYTES);
	CU_ASSERT_EQUAL(ask(&stranger), -1); /* the other leg's key */
	stranger.question.spki[0] ^= 1;
	CU_ASSERT_EQUAL(ask(&stranger), -1); /* nobody's */
	world_free(&w);
}

static void a_key_signs_by_its_own_schemes_alone(void)
{
	static const uint16_t ids[] = { 0x0403, 0x0503, 0x0807, 0x0804,
					0x0805, 0x0401, 0x0501 };
	static const struct {
		const char *type;
		uint16_t good[3];
	} rows[] = { { "P-256", { 0x0403 } },
		     { "P-384", { 0x0503 } },
		     { "ED25519", { 0x0807 } },
		     { "RSA", { 0x0804, 0x0805 } } }; /* none of PKCS #1 in TLS 1.3 */
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"), ed25519(), rsa() };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w = world_new(keys[i], NULL, TIMEOUT_MS);

		for (size_t j = 0; j < sizeof(ids) / sizeof(ids[0]); j++) {
			struct refusal r = question_for(&w, w.server, ids[j]);
			bool is_good =
				ids[j] == rows[i].good[0] || ids[j] == rows[i].good[1];

			CU_ASSERT_EQUAL(ask(&r) > 0, is_good);
		}
		world_free(&w);
	}
}

static void what_is_no_question_is_refused(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);
	uint8_t out[ANSWER_BYTES];

	CU_ASSERT_EQUAL(keyring_answer(w.keyring, SLICE(""), out, sizeof(out)), -1);
	CU_ASSERT_EQUAL(keyring_answer(w.keyring, SLICE("sign this"), out, sizeof(out)),
			-1);
	world_free(&w);
}

/* @return how many lines */
static size_t refuse_and_count_lines(struct world *w, int n)
{
	uint8_t out[ANSWER_BYTES];
	int saved = dup(STDERR_FILENO), fds[2];
	size_t n_lines = 0;
	char line[4096];

	/* A packet pipe: each read gives what one write wrote. */
	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	for (int i = 0; i < n; i++)
		CU_ASSERT_EQUAL(
			keyring_answer(w->keyring, SLICE("?"), out, sizeof(out)), -1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	for (; read(fds[0], line, sizeof(line)) > 0; n_lines++)
		CU_ASSERT_PTR_NOT_NULL(strstr(line, "ev=signature_refused"));
	close(fds[0]);
	return n_lines;
}

static void refusals_are_told_once_a_second_whatever_the_wall_clock_does(void)
{
	static const time_t jumps_s[] = { -86400, 86400, 0 };
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);

	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(refuse_and_count_lines(&w, 10), 1);
		wall_ahead_s = jumps_s[i];
		CU_ASSERT_EQUAL(refuse_and_count_lines(&w, 10), 0);
		usleep(1100 * 1000);
	}
	world_free(&w);
}

static void a_key_of_another_certificate_does_not_load(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);
	char path[64];
	struct keyring_key key = { w.server->path, path, TLS_SERVER, false, "key" };
	const char *name = NULL;

	snprintf(path, sizeof(path), "%s/other.key", w.pki->dir);
	cert_write_key(path, w.client->key);
	CU_ASSERT_PTR_NULL(keyring_load(&key, 1, &name, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "does not belong"));
	CU_ASSERT_STRING_EQUAL(name, "key");
	key.chain_path = path; /* no certificate in it */
	CU_ASSERT_PTR_NULL(keyring_load(&key, 1, &name, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "no certificate"));
	CU_ASSERT_PTR_NULL(signer_key(w.signer, path, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "no certificate"));
	unlink(path);
	world_free(&w);
}

static void secret_numbers_are_in_locked_memory_and_leave_it(void)
{
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"), ed25519(), rsa() };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct world w = world_new(keys[i], NULL, TIMEOUT_MS);
		size_t before = CRYPTO_secure_used();

		keyring_free(w.keyring);
		/* Of the P-256 key of the client it is 32 bytes. */
		CU_ASSERT_TRUE(before - CRYPTO_secure_used() >= 64);
		w.keyring = NULL;
		world_free(&w);
	}
}

/* ---- A child that is not there ---- */

static void a_dead_child_fails_the_handshake_and_the_next_one_works(void)
{
	struct world w = world_new(NULL, NULL, SHORT_MS);

	start_child(&w);
	assert_works(&w, &tls13);
	stop_child(&w);
	CU_ASSERT_EQUAL(shake(&w, &tls13).server, TLS_FAILURE_KEY);
	CU_ASSERT_EQUAL(shake(&w, &tls13_client).client, TLS_FAILURE_KEY);
	start_child(&w);
	enum tls_failure failure = TLS_FAILURE_KEY;
	for (int i = 0; i < 40 && failure; i++) {
		usleep(100000);
		failure = shake(&w, &tls13).server;
	}
	CU_ASSERT_EQUAL(failure, TLS_FAILURE_NONE);
	assert_works(&w, &tls13_client);
	world_free(&w);
}

static void a_late_answer_is_nobody_elses(void)
{
	struct world w = world_new(NULL, NULL, SHORT_MS);

	w.first_delay_ms = 2L * SHORT_MS;
	start_child(&w);
	CU_ASSERT_EQUAL(shake(&w, &tls13).server, TLS_FAILURE_KEY);
	usleep(1000000); /* the late answer lies there */
	assert_works(&w, &tls13);
	world_free(&w);
}

static void without_a_channel_nothing_is_signed(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);

	signer_free(w.signer);
	w.signer = signer_new(TIMEOUT_MS);
	CU_ASSERT_EQUAL(shake(&w, &tls13).server, TLS_FAILURE_KEY);
	world_free(&w);
}

TEST_MAIN("signer", TEST(every_key_signs_for_both_sides),
	  TEST(every_key_signs_for_tls12), TEST(every_scheme_signs),
	  TEST(tls12_is_signed_for_only_where_it_is_on),
	  TEST(only_handshakes_are_signed), TEST(a_key_signs_for_its_own_side_alone),
	  TEST(a_key_signs_by_its_own_schemes_alone),
	  TEST(what_is_no_question_is_refused),
	  TEST(refusals_are_told_once_a_second_whatever_the_wall_clock_does),
	  TEST(a_key_of_another_certificate_does_not_load),
	  TEST(secret_numbers_are_in_locked_memory_and_leave_it),
	  TEST(a_dead_child_fails_the_handshake_and_the_next_one_works),
	  TEST(a_late_answer_is_nobody_elses),
	  TEST(without_a_channel_nothing_is_signed))
