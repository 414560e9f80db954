#include "contrib/handset/messages.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "contrib/handset/storage.h"

#define FOLDER        "messages"
#define MESSAGE_LIMIT (64 * 1024) /* bytes of a file */
#define CODE_DIGITS   3           /* at least */

static void take_number(void *highest, const char *name)
{
	uint64_t n;

	if (slice_to_u64(slice_make(name, strcspn(name, ".")), 999999, &n) &&
	    n > *(uint64_t *)highest)
		*(uint64_t *)highest = n;
}

static void count_one(void *count, const char *name)
{
	if (strstr(name, ".json") && !strstr(name, ".new"))
		++*(size_t *)count;
}

size_t messages_count(void)
{
	size_t n = 0;

	storage_each(FOLDER, count_one, &n);
	return n;
}

static json_t *describe(const struct sms_message *message, uint64_t n,
			int64_t received_ms)
{
	const char *text = (const char *)evbuffer_pullup(message->text, -1);

	return json_pack("{s:I, s:s, s:I, s:s, s:i, s:s%}", "n", (json_int_t)n, "from",
			 message->sender, "received", (json_int_t)received_ms,
			 "encoding", message->dcs == SMS_DCS_UCS2 ? "ucs2" : "gsm7",
			 "parts", (int)message->parts, "text", text ? text : "",
			 evbuffer_get_length(message->text));
}

bool messages_add(const struct sms_message *message, int64_t received_ms)
{
	uint64_t highest = 0;
	char path[STORAGE_PATH_BYTES];
	json_t *json;
	char *text;
	bool ok;

	storage_each(FOLDER, take_number, &highest);
	json = describe(message, highest + 1, received_ms);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	ok = text &&
	     storage_path(path, FOLDER "/%06llu.json",
			  (unsigned long long)highest + 1) &&
	     storage_write(path, slice_of(text), 0600);
	free(text);
	json_decref(json);
	return ok;
}

static void load_one(void *list, const char *name)
{
	char path[STORAGE_PATH_BYTES];
	struct slice bytes;
	json_t *json;

	if (!storage_path(path, FOLDER "/%s", name) || strstr(name, ".new"))
		return;
	bytes = storage_read(path, MESSAGE_LIMIT);
	json = bytes.p ? json_loadb(bytes.p, bytes.n, JSON_ALLOW_NUL, NULL) : NULL;
	free((void *)bytes.p);
	if (json)
		json_array_append_new(list, json);
	else
		log_warn("message_unreadable", log_str("path", path));
}

json_t *messages_list(void)
{
	json_t *list = json_array();

	storage_each(FOLDER, load_one, list);
	return list;
}

static struct slice text_of(const json_t *message)
{
	const json_t *text = json_object_get(message, "text");

	return slice_make(json_string_value(text), json_string_length(text));
}

char *messages_newest(void)
{
	json_t *list = messages_list();
	struct slice text = text_of(json_array_get(list, json_array_size(list) - 1));
	char *copy = text.p ? strndup(text.p, text.n) : NULL;

	json_decref(list);
	return copy;
}

static bool is_code(struct slice word)
{
	uint64_t n;

	return word.n >= CODE_DIGITS && word.n <= MESSAGES_CODE_CHARS &&
	       slice_to_u64(word, UINT64_MAX, &n);
}

bool messages_read_reply(struct slice line, struct messages_reply *out)
{
	char *const answers[] = { out->accept, out->decline };
	struct slice before = { NULL, 0 }, code = { NULL, 0 }, word;
	size_t n = 0;

	while (n < 2 && slice_next(&line, ' ', &word)) {
		if (is_code(word) && before.n > 0 && before.n <= MESSAGES_WORD_CHARS) {
			if (code.n > 0 && !slice_eq(code, word))
				return false;
			code = word;
			snprintf(answers[n++], sizeof(out->accept), "%.*s %.*s",
				 (int)before.n, before.p, (int)word.n, word.p);
		}
		before = word;
	}
	return n == 2;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), n_end = strlen(end);

	return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

bool messages_read_terms(struct slice text, const char *sender,
			 const uint8_t sha256_wanted[SHA256_BYTES], const char *hint,
			 struct messages_terms *out)
{
	const char *end = text.p ? memrchr(text.p, '\n', text.n) : NULL;
	uint8_t digest[SHA256_BYTES];
	size_t n;

	*out = (struct messages_terms){ 0 };
	if (!end)
		return false;
	n = (size_t)(end - text.p);
	sha256(slice_make(text.p, n), digest);
	if (memcmp(digest, sha256_wanted, SHA256_BYTES) != 0)
		return false;
	if (!messages_read_reply(slice_make(end + 1, text.n - n - 1), &out->reply)) {
		log_warn("terms_without_code", log_num("bytes", (int64_t)text.n));
		return false;
	}
	if (!ends_with(out->reply.accept, hint))
		return false;
	out->text = strndup(text.p, n);
	out->sender = strdup(sender);
	return true;
}

bool messages_find_terms(const uint8_t sha256_wanted[SHA256_BYTES], const char *hint,
			 int64_t since_ms, struct messages_terms *out)
{
	json_t *list = messages_list();
	bool found = false;

	*out = (struct messages_terms){ 0 };
	for (size_t i = json_array_size(list); i-- > 0 && !found;) {
		const json_t *message = json_array_get(list, i);

		found = json_integer_value(json_object_get(message, "received")) >=
				since_ms &&
			messages_read_terms(
				text_of(message),
				json_string_value(json_object_get(message, "from")),
				sha256_wanted, hint, out);
	}
	json_decref(list);
	return found;
}

void messages_terms_free(struct messages_terms *terms)
{
	free(terms->text);
	free(terms->sender);
	*terms = (struct messages_terms){ 0 };
}
