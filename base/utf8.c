#include "base/utf8.h"

/* Forms of 1 to 4 bytes: lead byte, its mask, the least character that needs it. */
static const struct {
	uint8_t lead, mask;
	uint32_t least;
} forms[] = {
	{ 0x00, 0x80, 0 },
	{ 0xc0, 0xe0, 0x80 },
	{ 0xe0, 0xf0, 0x800 },
	{ 0xf0, 0xf8, 0x10000 },
};
#define FORMS_N         (sizeof(forms) / sizeof(forms[0]))
#define CHARACTER_N     0x110000u
#define IS_SURROGATE(c) ((c) >= 0xd800 && (c) < 0xe000)

size_t utf8_put(uint32_t character, char out[UTF8_BYTES_MAX])
{
	size_t more = FORMS_N - 1;

	if (character >= CHARACTER_N || IS_SURROGATE(character))
		character = UTF8_REPLACEMENT;
	while (character < forms[more].least)
		more--;
	for (size_t i = more; i > 0; i--, character >>= 6)
		out[i] = (char)(0x80 | (character & 0x3f));
	out[0] = (char)(forms[more].lead | character);
	return more + 1;
}

void utf8_append(struct evbuffer *out, uint32_t character)
{
	char bytes[UTF8_BYTES_MAX];
	size_t n = utf8_put(character, bytes);

	evbuffer_add(out, bytes, n);
}

bool utf8_next(struct slice *rest, uint32_t *character)
{
	const uint8_t *p = (const uint8_t *)rest->p;
	size_t more = 0;
	uint32_t c;

	if (rest->n == 0)
		return false;
	while (more < FORMS_N && (p[0] & forms[more].mask) != forms[more].lead)
		more++;
	if (more == FORMS_N || more >= rest->n)
		return false;
	c = p[0] & (uint8_t)~forms[more].mask;
	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return false;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < forms[more].least || c >= CHARACTER_N || IS_SURROGATE(c))
		return false;
	*character = c;
	*rest = slice_make(rest->p + more + 1, rest->n - more - 1);
	return true;
}

struct slice utf8_take(struct slice *rest, size_t columns)
{
	const char *start = rest->p;
	uint32_t character;

	for (size_t i = 0; i < columns && rest->n > 0; i++)
		if (!utf8_next(rest, &character))
			*rest = slice_make(rest->p + 1, rest->n - 1);
	return slice_make(start, (size_t)(rest->p - start));
}

size_t utf8_length(struct slice text)
{
	size_t n = 0;

	for (; text.n > 0; n++)
		utf8_take(&text, 1);
	return n;
}
