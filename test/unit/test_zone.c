#include "auth/auth.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/time.h"
#include "test/unit/proof_site.h"

static struct zone *zone;

static void zone_open(void)
{
	char why[512], chain[512];

	site_open();
	X509 *const certs[] = { site.leaf, site.middle };
	snprintf(chain, sizeof(chain), "%s/proof.pem", site.directory.path);
	cert_write(chain, certs, 2);
	cert_write_key(directory_file(&site.directory, "proof.key"), site.leaf_key);
	zone = zone_load(chain, site.directory.file, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(zone);
}

static void zone_close(void)
{
	zone_free(zone);
	site_close();
}

#define N_FIELDS 10

/* What zone_ask_proof() sends, field by field. */
static void own_question(struct slice fields[N_FIELDS], struct proof_claims *own)
{
	const struct auth_claims *c = &own->claims;

	own_claims(own);
	const struct slice question[N_FIELDS] = {
		slice_make(c->gw, 32),   slice_of(c->srv),
		slice_make(c->sid, 16),  slice_make(c->nonce, 32),
		slice_of(c->dev),        SLICE("certificate"),
		slice_make(c->cred, 32), slice_make(c->binding, 32),
		SLICE("unprovisioned"),  slice_make(own->gh, 32),
	};
	memcpy(fields, question, sizeof(question));
}

static ssize_t ask(enum auth_label label, const struct slice *fields, size_t n_fields,
		   uint8_t *answer, size_t cap)
{
	uint8_t question[2048];
	size_t n = auth_encode(label, fields, n_fields, question, sizeof(question));

	CU_ASSERT_FATAL(n > 0);
	return zone_answer(zone, slice_make(question, n), answer, cap);
}

static void a_question_is_answered_by_a_proof(void)
{
	struct slice fields[N_FIELDS];
	struct proof_claims own, read;
	uint8_t answer[CHILD_FRAME_BYTES];
	struct jws jws;

	zone_open();
	own_question(fields, &own);
	int64_t before_s = time_now_ms() / 1000;
	ssize_t n =
		ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS, answer, sizeof(answer));
	CU_ASSERT_FATAL(n > 0);
	struct slice text = slice_make(answer, (size_t)n);
	CU_ASSERT_EQUAL(judge(site.by_root, text), REASON_NONE);
	CU_ASSERT_EQUAL(judge(site.by_pin, text), REASON_NONE);
	CU_ASSERT_EQUAL(jws_open(text, PROOF_TYP, site.arena, &jws), JWS_OK);
	CU_ASSERT_TRUE(proof_claims_decode(jws.payload, &read));
	CU_ASSERT_TRUE(read.issued_s >= before_s &&
		       read.issued_s <= time_now_ms() / 1000);
	jws_close(&jws);
	zone_close();
}

static void an_answer_that_does_not_fit_is_refused(void)
{
	struct slice fields[N_FIELDS];
	struct proof_claims own;
	uint8_t answer[CHILD_FRAME_BYTES];

	zone_open();
	own_question(fields, &own);
	ssize_t n =
		ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS, answer, sizeof(answer));
	memset(answer, 0xee, sizeof(answer));
	CU_ASSERT_EQUAL(
		ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS, answer, (size_t)n - 1),
		-1);
	CU_ASSERT_EQUAL(answer[0], 0xee);
	CU_ASSERT_EQUAL(ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS, answer, (size_t)n),
			n);
	zone_close();
}

/* security: nothing is signed that is not built from fields of their form. */
static void every_other_question_is_refused(void)
{
	struct slice own_fields[N_FIELDS], fields[N_FIELDS + 1];
	struct proof_claims own;
	uint8_t answer[CHILD_FRAME_BYTES];

	zone_open();
	own_question(own_fields, &own);
	for (size_t i = 0; i < N_FIELDS; i++) {
		char longer[300] = { 0 };
		struct slice field = own_fields[i];
		size_t cut = i == 1 ? strlen(":8443") : 1; /* srv without its port */
		memcpy(longer, field.p, field.n);
		const struct slice wrong[] = { { NULL, 0 },
					       SLICE(""),
					       SLICE("\"},{\""),
					       slice_make(longer, field.n - cut),
					       slice_make(longer, field.n + 1),
					       slice_make(longer, sizeof(longer)) };
		memcpy(fields, own_fields, sizeof(own_fields));
		for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++) {
			fields[i] = wrong[j];
			CU_ASSERT_EQUAL(ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS,
					    answer, sizeof(answer)),
					-1);
		}
	}
	memcpy(fields, own_fields, sizeof(own_fields));
	fields[N_FIELDS] = SLICE("more");
	CU_ASSERT_EQUAL(ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS + 1, answer,
			    sizeof(answer)),
			-1);
	CU_ASSERT_EQUAL(ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS - 1, answer,
			    sizeof(answer)),
			-1);
	for (size_t i = 0; i < AUTH_LABEL_N; i++)
		CU_ASSERT_EQUAL(ask((enum auth_label)i, fields, N_FIELDS, answer,
				    sizeof(answer)) > 0,
				i == AUTH_LABEL_ZONE_PROOF);
	CU_ASSERT_EQUAL(zone_answer(zone, SLICE(""), answer, sizeof(answer)), -1);
	CU_ASSERT_EQUAL(
		zone_answer(zone, slice_of(own_payload()), answer, sizeof(answer)), -1);
	zone_close();
}

static void names_that_are_not_canonical_are_refused(void)
{
	struct slice fields[N_FIELDS];
	struct proof_claims own;
	uint8_t answer[CHILD_FRAME_BYTES];

	zone_open();
	own_question(fields, &own);
	fields[1] = SLICE("Prov.example.com:8443");
	CU_ASSERT_EQUAL(
		ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS, answer, sizeof(answer)),
		-1);
	own_question(fields, &own);
	fields[4] = SLICE("urn:gsma:imei:35209900-176148-1");
	CU_ASSERT_EQUAL(
		ask(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS, answer, sizeof(answer)),
		-1);
	zone_close();
}

static void any_question_is_answered_or_refused(void)
{
	struct slice fields[N_FIELDS];
	struct proof_claims own;
	uint8_t question[1024], answer[CHILD_FRAME_BYTES];

	zone_open();
	own_question(fields, &own);
	size_t n = auth_encode(AUTH_LABEL_ZONE_PROOF, fields, N_FIELDS, question,
			       sizeof(question));
	srandom(4);
	for (int round = 0; round < 3000; round++) {
		size_t length = (size_t)random() % (n + 1);
		uint8_t *bytes = malloc(length ? length : 1);
		memcpy(bytes, question, length);
		if (length > 0)
			bytes[(size_t)random() % length] = (uint8_t)random();
		ssize_t m = zone_answer(zone, slice_make(bytes, length), answer,
					sizeof(answer));
		CU_ASSERT_TRUE(m == -1 || length == n);
		free(bytes);
	}
	zone_close();
}

/* Load with the files given; NULL takes the good one. */
static bool loads(X509 *const *certs, size_t n, EVP_PKEY *key, mode_t mode)
{
	char why[512] = "", chain[512];
	X509 *const good[] = { site.leaf, site.middle };

	snprintf(chain, sizeof(chain), "%s/chain.pem", site.directory.path);
	cert_write(chain, certs ? certs : good, certs ? n : 2);
	const char *path = directory_file(&site.directory, "zone.key");
	cert_write_key(path, key ? key : site.leaf_key);
	chmod(path, mode);
	struct zone *loaded = zone_load(chain, path, why, sizeof(why));
	bool ok = loaded != NULL;
	CU_ASSERT_EQUAL(ok, why[0] == '\0');
	if (!ok)
		CU_ASSERT_PTR_NOT_NULL(strstr(why, site.directory.path));
	zone_free(loaded);
	return ok;
}

static void a_zone_is_checked_when_it_is_loaded(void)
{
	EVP_PKEY *large = cert_key("P-384");

	site_open();
	X509 *const four[] = { site.leaf, site.middle, site.middle, site.root };
	X509 *const turned[] = { site.middle, site.leaf };
	X509 *other = cert_make(
		&(struct cert_spec){ .name = "proof", .key = large, .uris = { URI } });
	CU_ASSERT_TRUE(loads(NULL, 0, NULL, 0600));
	CU_ASSERT_TRUE(loads(four, 1, NULL, 0600));
	CU_ASSERT_TRUE(loads(four, 3, NULL, 0600));
	CU_ASSERT_FALSE(loads(four, 4, NULL, 0600));
	CU_ASSERT_FALSE(loads(four, 0, NULL, 0600));
	CU_ASSERT_FALSE(loads(turned, 2, NULL, 0600));
	CU_ASSERT_FALSE(loads(NULL, 0, site.middle_key, 0600));
	CU_ASSERT_FALSE(loads(NULL, 0, NULL, 0644));
	CU_ASSERT_FALSE(loads(&other, 1, large, 0600));
	X509_free(other);
	EVP_PKEY_free(large);
	site_close();
}

struct received {
	struct loop *loop;
	bool came, ok;
	enum auth_reason reason;
};

static void on_proof(void *arg, bool ok, struct slice answer)
{
	struct received *received = arg;

	CU_ASSERT_FALSE(received->came);
	received->came = true;
	received->ok = ok;
	received->reason = ok ? judge(site.by_root, answer) : REASON_NONE;
	loop_stop(received->loop);
}

static void another_process_answers(void)
{
	int fds[2];
	struct proof_claims own;

	zone_open();
	CU_ASSERT_EQUAL_FATAL(child_channel(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child_serve(&fds[1], 1, zone_answer, zone);
		_exit(0);
	}
	close(fds[1]);
	struct received received = { .loop = loop_new() };
	struct child_caller *caller = child_caller_new(received.loop, fds[0]);
	own_claims(&own);
	CU_ASSERT_NOT_EQUAL(zone_ask_proof(caller, &own.claims, own.standing, own.gh,
					   10000, on_proof, &received),
			    0);
	loop_run(received.loop);
	CU_ASSERT_TRUE(received.came && received.ok);
	CU_ASSERT_EQUAL(received.reason, REASON_NONE);
	child_caller_free(caller);
	loop_free(received.loop);
	close(fds[0]);
	int status;
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	zone_close();
}

static void a_zone_that_is_gone_is_an_answer_too(void)
{
	int fds[2];
	struct proof_claims own;

	site_open();
	CU_ASSERT_EQUAL_FATAL(child_channel(fds), 0);
	struct received received = { .loop = loop_new() };
	struct child_caller *caller = child_caller_new(received.loop, fds[0]);
	own_claims(&own);
	CU_ASSERT_NOT_EQUAL(zone_ask_proof(caller, &own.claims, own.standing, own.gh,
					   30, on_proof, &received),
			    0);
	loop_run(received.loop);
	CU_ASSERT_TRUE(received.came && !received.ok);
	child_caller_free(caller);
	loop_free(received.loop);
	close(fds[0]);
	close(fds[1]);
	site_close();
}

TEST_MAIN("zone", TEST(a_question_is_answered_by_a_proof),
	  TEST(an_answer_that_does_not_fit_is_refused),
	  TEST(every_other_question_is_refused),
	  TEST(names_that_are_not_canonical_are_refused),
	  TEST(any_question_is_answered_or_refused),
	  TEST(a_zone_is_checked_when_it_is_loaded), TEST(another_process_answers),
	  TEST(a_zone_that_is_gone_is_an_answer_too))
