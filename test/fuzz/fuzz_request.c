/*
 * Fuzz target of the bodies of device requests: what reaches the database is what the
 * device has sent, within the limits of the interface; all else is refused as invalid.
 * The rest of a call (exchange, database) is not here; the functions of
 * provisioning/api.h that lead there stand below.
 *
 * Kinds: p PUT of a request, a of an answer, r of a result.
 *
 * Parser: provisioning/device_api.c
 */
#include "provisioning/device_api.h"

#include "test/fuzz/fuzz.h"

#define PARAMS_MAX  8
#define ARENA_BYTES (1 << 16)

static struct arena *arena;
static unsigned n_refused, n_replied, n_problems;

struct arena *api_arena(struct api_call *call)
{
	(void)call;
	return arena;
}

void *api_alloc(struct api_call *call, size_t n)
{
	void *memory = arena_alloc(api_arena(call), n);

	BUG_ON(!memory);
	return memory;
}

bool api_read_json(struct api_call *call, const struct json_member *members,
		   size_t n_members, void *out)
{
	char why[128];

	call->json = json_parse(call->body, why, sizeof(why));
	if (call->json &&
	    json_read(call->json, members, n_members, out, why, sizeof(why)))
		return true;
	api_refuse(call, API_BODY_INVALID, why);
	return false;
}

void api_refuse(struct api_call *call, enum api_refusal refusal, const char *detail)
{
	(void)call;
	REQUIRE(refusal == API_BODY_INVALID && detail && *detail);
	n_refused++;
}

bool api_row_read(struct api_call *call, const PGresult *result, struct api_row *out)
{
	(void)result;
	*out = (struct api_row){ 200, SLICE(""), SLICE("\"1\""), call->body };
	return true;
}

void api_reply(struct api_call *call, unsigned status, const struct http_field *fields,
	       size_t n_fields, struct slice body)
{
	REQUIRE(status == 200 && n_fields == (body.n > 0) + 1u);
	REQUIRE(slice_eq(fields[n_fields - 1].value, SLICE("\"1\"")));
	REQUIRE(slice_eq(body, call->body));
	n_replied++;
}

void api_problem(struct api_call *call, unsigned status, struct slice reason,
		 const char *detail)
{
	(void)call;
	REQUIRE(status == 409 && slice_eq(reason, SLICE("request_conflict")) &&
		!detail);
	n_problems++;
}

static void check_request(const struct api_call *call, const struct db_param *params,
			  size_t n)
{
	uint8_t hash[SHA256_BYTES];

	sha256(call->body, hash);
	REQUIRE(n == 3 && params[1].n == SHA256_BYTES);
	REQUIRE(memcmp(params[1].p, hash, sizeof(hash)) == 0);
	REQUIRE(slice_eq(slice_make(params[2].p, (size_t)params[2].n), call->body));
}

static void check_answer(const struct api_call *call, const struct db_param *params,
			 size_t n)
{
	(void)call;
	REQUIRE(n == 6 && params[1].n >= 1 && params[1].n <= 16);
	REQUIRE(params[2].n == SHA256_BYTES && params[2].is_binary);
}

static void check_result(const struct api_call *call, const struct db_param *params,
			 size_t n)
{
	(void)call;
	REQUIRE(n == 5 && params[2].n >= 1 && params[2].n <= 16);
	REQUIRE(!params[3].p || params[3].n <= 100);
	REQUIRE(!params[4].p || params[4].n <= 200);
}

static void answer(struct api_call *call)
{
	const struct api_row conflict = { .status = 409,
					  .reason = SLICE("request_conflict") };

	device_api_answer(call, NULL);
	device_api_reply(call, &conflict, NULL);
	REQUIRE(n_replied == 1 && n_problems == 1);
}

static const struct kind {
	char letter;
	bool (*fill)(struct api_call *call, struct db_param *params, size_t *n);
	void (*check)(const struct api_call *call, const struct db_param *params,
		      size_t n);
} kinds[] = {
	{ 'p', device_api_fill_request, check_request },
	{ 'a', device_api_fill_answer, check_answer },
	{ 'r', device_api_fill_result, check_result },
};

static void run(const struct kind *kind, struct slice body)
{
	struct api_call call = {
		.body = body,
		.match = { .request_id = SLICE("f81d4fae-7dec-41d0-a765-00a0c91e6bf6"),
			   .args = { SLICE("f81d4fae-7dec-41d0-a765-00a0c91e6bf6"),
				     SLICE("compass") } },
	};
	struct db_param params[PARAMS_MAX];
	size_t n = 0, n_id = 0;

	arena = arena_new(ARENA_BYTES);
	n_refused = n_replied = n_problems = 0;
	REQUIRE(device_api_fill(&call, params, &n) && n == 0);
	REQUIRE(device_api_fill_id(&call, params, &n_id) && n_id == 1);
	if (kind->fill(&call, params, &n)) {
		REQUIRE(n_refused == 0);
		for (size_t i = 0; i < n; i++)
			REQUIRE(params[i].is_binary || !params[i].p ||
				!memchr(params[i].p, '\0', (size_t)params[i].n));
		kind->check(&call, params, n);
		answer(&call);
	} else {
		REQUIRE(n_refused == 1);
	}
	json_decref(call.json);
	arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *copy = fuzz_copy(data, size);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (data[0] == kinds[i].letter)
			run(&kinds[i], slice_make(copy, size - 1));
	free(copy);
	return 0;
}
