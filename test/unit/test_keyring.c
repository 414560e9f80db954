/* What the keyring loads and signs, and above all what not. Handshakes: test_signer.c.
 */
#include "auth/auth.h"

#include <fcntl.h>
#include <time.h>

#include "test/unit/signer_world.h"

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

#define ANSWER_BYTES 2048 /* over the signature of any RSA key that is used */

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

TEST_MAIN("keyring", TEST(only_handshakes_are_signed),
	  TEST(a_key_signs_for_its_own_side_alone),
	  TEST(a_key_signs_by_its_own_schemes_alone),
	  TEST(what_is_no_question_is_refused),
	  TEST(refusals_are_told_once_a_second_whatever_the_wall_clock_does),
	  TEST(a_key_of_another_certificate_does_not_load),
	  TEST(secret_numbers_are_in_locked_memory_and_leave_it))
