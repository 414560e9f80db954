#include "contrib/handset/journal.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/log.h"
#include "contrib/handset/storage.h"

#define FILE_NAME     "request.json"
#define JOURNAL_LIMIT (64 * 1024) /* bytes */

bool journal_write(const struct journal *journal)
{
	json_t *json = json_pack("{s:s, s:s, s:I}", "id", journal->id, "body",
				 journal->body, "made", (json_int_t)journal->made_ms);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	bool ok = text && storage_write(FILE_NAME, slice_of(text), 0600);

	free(text);
	json_decref(json);
	return ok;
}

bool journal_read(struct journal *out)
{
	struct slice bytes = storage_read(FILE_NAME, JOURNAL_LIMIT);
	json_t *json = bytes.p ? json_loadb(bytes.p, bytes.n, 0, NULL) : NULL;
	const char *id, *body;
	json_int_t made_ms;
	bool is_there = bytes.p, ok;

	free((void *)bytes.p);
	ok = json &&
	     json_unpack(json, "{s:s, s:s, s:I}", "id", &id, "body", &body, "made",
			 &made_ms) == 0 &&
	     uuid_is_valid(slice_of(id));
	if (ok) {
		*out = (struct journal){ .body = strdup(body), .made_ms = made_ms };
		memcpy(out->id, id, UUID_CHARS + 1);
	} else if (is_there) {
		log_warn("journal_unreadable", log_str("path", FILE_NAME));
	}
	json_decref(json);
	return ok;
}

void journal_clear(void)
{
	if (!storage_remove(FILE_NAME) || !storage_sync("."))
		log_warn("not_removed", log_str("path", FILE_NAME));
}
