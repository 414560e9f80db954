#include "provisioning/verification.h"

#include "provisioning/poster.h"

#define TYPE         "application/json"
#define ANSWER_BYTES 4096
#define REASON_CHARS 40

struct members {
	struct slice id;
	struct verification_answer answer;
};

#define AT(member) offsetof(struct members, member)
static const struct json_member members[] = {
	{ "id", JSON_TEXT, AT(id), 1, EFFECT_KEY_CHARS },
	{ "result", JSON_TEXT, AT(answer.result), 1, 16 },
	{ "reason", JSON_TEXT_OPTIONAL, AT(answer.reason), 1, REASON_CHARS },
};
#undef AT

/* A word that may stand in a log and in a message: lower_snake_case. */
static bool is_word(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!(text.p[i] >= 'a' && text.p[i] <= 'z') && text.p[i] != '_')
			return false;
	return true;
}

/* Null when the members are an answer to the question, else what is wrong. */
static const char *problem_of(const struct members *said, const char *id)
{
	if (!slice_eq(said->id, slice_of(id)))
		return "is the answer to another question";
	if (slice_eq(said->answer.result, SLICE("verified")))
		return said->answer.reason.p ? "has a reason to verify" : NULL;
	if (!slice_eq(said->answer.result, SLICE("refused")))
		return "has neither of the two results";
	return is_word(said->answer.reason) ? NULL : "has a reason that is no word";
}

/* The type may have parameters: RFC 9110, 8.3.1. */
static bool is_json(const char *type)
{
	struct slice rest = slice_of(type), essence;
	return slice_next(&rest, ';', &essence) &&
	       slice_eq_nocase(slice_trim(essence), SLICE(TYPE));
}

json_t *verification_read(const char *type, struct slice body, const char *id,
			  struct verification_answer *out, char *why, size_t why_size)
{
	struct members said;
	if (!is_json(type)) {
		snprintf(why, why_size, "the answer is not " TYPE);
		return NULL;
	}
	json_t *json = json_parse(body, why, why_size);
	if (!json)
		return NULL;
	const char *problem = NULL;
	if (!json_read(json, members, sizeof(members) / sizeof(members[0]), &said, why,
		       why_size) ||
	    (problem = problem_of(&said, id))) {
		if (problem)
			snprintf(why, why_size, "the answer %s", problem);
		json_decref(json);
		return NULL;
	}
	*out = said.answer;
	return json;
}

/* ---- The kind ---- */

static bool verification_load(const struct server_config *config, void **secrets)
{
	return service_load_any(&config->verification, "verification", secrets);
}

static void *verification_open(void *service, struct transfers *transfers)
{
	return poster_new(transfers, &(struct post_settings){
					     .service = service,
					     .content_type = TYPE,
					     .answer_limit_bytes = ANSWER_BYTES,
				     });
}

static int64_t verification_timeout_ms(const struct server_config *config)
{
	return config->verification.timeout_ms;
}

/* Nothing but 200 is an answer, and no status ends the asking: it may be mended. */
static void on_posted(void *arg, const struct post_answer *answer)
{
	struct effect *effect = arg;
	struct verification_answer said;
	char why[128];
	json_t *json = NULL;
	snprintf(why, sizeof(why), "%s", answer->why);
	if (answer->status == 200)
		json = verification_read(answer->type, answer->body, effect->key, &said,
					 why, sizeof(why));
	if (!json) {
		effect_fail(effect, answer->status, why, false);
		return;
	}
	struct db_param params[] = {
		db_slice(said.result),
		said.reason.p ? db_slice(said.reason) : db_null(),
	};
	effect_report(effect, answer->status, STATEMENT_VERIFICATION_RESULT, params, 2);
	json_decref(json);
}

static void verification_begin(void *poster, struct effect *effect,
			       struct slice payload)
{
	poster_post(poster, payload, effect->key, on_posted, effect);
}

const struct effect_kind verification_kind = {
	.name = "verify",
	.in_hand = 16,
	.metrics = SERVER_VERIFICATION_DONE,
	.load = verification_load,
	.open = verification_open,
	.timeout_ms = verification_timeout_ms,
	.begin = verification_begin,
};
