#include "provisioning/mail_text.h"

#include <string.h>

#include "base/codec.h"

#define LOCAL_CHARS 64
#define LABEL_CHARS 63

/* 39 bytes are 52 characters of base64: a word of them, after the name of a short
 * field, fits into a line of 76 (RFC 2047, 2). */
#define WORD_BYTES 39
/* Beyond that a line would want folding. */
#define PLAIN_CHARS 60

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define ATEXT   LETTERS "!#$%&'*+-/=?^_`{|}~"

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool is_all(struct slice text, const char *set)
{
	for (size_t i = 0; i < text.n; i++)
		if (!is_one_of(text.p[i], set))
			return false;
	return true;
}

static bool is_label(struct slice label)
{
	return label.n > 0 && label.n <= LABEL_CHARS && label.p[0] != '-' &&
	       label.p[label.n - 1] != '-' && is_all(label, LETTERS "-");
}

static bool is_atom(struct slice atom)
{
	return atom.n > 0 && is_all(atom, ATEXT);
}

/* Parts between dots, each of which is good; how many, or 0. */
static size_t count_parts(struct slice text, bool (*is_good)(struct slice))
{
	size_t n = 0;
	struct slice part;
	while (slice_next(&text, '.', &part)) {
		if (!is_good(part))
			return 0;
		n++;
	}
	return n;
}

bool mail_text_is_address(struct slice text)
{
	struct slice local, domain = text;
	return text.n <= MAIL_ADDRESS_CHARS && slice_next(&domain, '@', &local) &&
	       domain.p && local.n <= LOCAL_CHARS && count_parts(local, is_atom) > 0 &&
	       count_parts(domain, is_label) > 1;
}

struct slice mail_text_domain(struct slice address)
{
	struct slice local, domain = address;
	slice_next(&domain, '@', &local);
	return domain;
}

static bool is_plain(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return text.n <= PLAIN_CHARS &&
	       !memmem(text.p, text.n, "=?", 2); /* would be read as a word */
}

/* As many bytes as fit into a word, and no part of a character. */
static size_t word_bytes(struct slice text)
{
	size_t n = text.n < WORD_BYTES ? text.n : WORD_BYTES;
	while (n > 1 && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void mail_text_write_words(FILE *out, struct slice text)
{
	char encoded[4 * ((WORD_BYTES + 2) / 3) + 1];
	if (is_plain(text)) {
		fwrite(text.p, 1, text.n, out);
		return;
	}
	while (text.n > 0) {
		size_t n = word_bytes(text);
		base64_encode(slice_make(text.p, n), encoded);
		text = slice_make(text.p + n, text.n - n);
		fprintf(out, "=?utf-8?B?%s?=%s", encoded, text.n > 0 ? "\r\n " : "");
	}
}

void mail_text_write_id(FILE *out, const char *key, struct slice domain)
{
	fputc('<', out);
	for (; *key; key++)
		fputc(is_one_of(*key, ATEXT) ? *key : '_', out);
	fprintf(out, "@%.*s>", (int)domain.n, domain.p);
}

void mail_text_write_lines(FILE *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			fputc('\r', out);
		fputc(text.p[i], out);
	}
}
