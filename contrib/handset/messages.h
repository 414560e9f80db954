/*
 * Received short messages, each a JSON file in storage with its exact text. Finds
 * among them the terms of an offer, by their digest: what the user is shown and
 * accepts is then what the server has stored, whoever sent the message.
 */
#ifndef CONTRIB_HANDSET_MESSAGES_H
#define CONTRIB_HANDSET_MESSAGES_H

#include <jansson.h>

#include "base/codec.h"
#include "contrib/handset/sms.h"

#define MESSAGES_WORD_CHARS 32
#define MESSAGES_CODE_CHARS 16

/** The last line of a terms notice: "Reply YES 4711 or NO 4711". */
struct messages_reply {
	char accept[MESSAGES_WORD_CHARS + 1 + MESSAGES_CODE_CHARS + 1];
	char decline[MESSAGES_WORD_CHARS + 1 + MESSAGES_CODE_CHARS + 1];
};

/** A terms notice; both strings are malloc'd, see messages_terms_free(). */
struct messages_terms {
	char *text; /* without the line of the answer */
	char *sender;
	struct messages_reply reply;
};

/** Store a message. @return false with errno */
bool messages_add(const struct sms_message *message, int64_t received_ms);
size_t messages_count(void);
/** All messages, oldest first: [{n, from, received, encoding, parts, text}]. */
json_t *messages_list(void);
/** Text of the newest message; malloc'd, NULL when there is none. */
char *messages_newest(void);

/**
 * Whether a message is the terms with this digest and an answer whose code ends with
 * @p hint: other offers may have the same terms.
 */
bool messages_read_terms(struct slice text, const char *sender,
			 const uint8_t sha256[SHA256_BYTES], const char *hint,
			 struct messages_terms *out);
/**
 * Look through messages received at or after @p since_ms, newest first, for the one
 * that messages_read_terms() takes.
 */
bool messages_find_terms(const uint8_t sha256[SHA256_BYTES], const char *hint,
			 int64_t since_ms, struct messages_terms *out);
void messages_terms_free(struct messages_terms *terms);
/**
 * Read the line of the answer: the first word before a code accepts, the second before
 * the same code declines, in whatever language the words are.
 */
bool messages_read_reply(struct slice line, struct messages_reply *out);

#endif
