#include <ctype.h>

#include "base/utf8.h"
#include "contrib/handset/request.h"

#define REFERENCE_CHARS_LEAST 8
#define REFERENCE_CHARS_MOST  64
#define CARD_DIGITS_LEAST     13
#define CARD_DIGITS_MOST      19

static const struct {
	const char *name, *label;
} fields[FORM_N] = {
	[FORM_GIVEN_NAME] = { "given_name", "Given name" },
	[FORM_FAMILY_NAME] = { "family_name", "Family name" },
	[FORM_POSTCODE] = { "postcode", "Postcode" },
	[FORM_REFERENCE] = { "reference", "Accounting reference" },
};

const char *form_field_label(enum form_field field)
{
	return fields[field].label;
}

bool form_field_parse(struct slice name, enum form_field *out)
{
	for (int i = 0; i < FORM_N; i++)
		if (slice_eq(name, slice_of(fields[i].name))) {
			*out = (enum form_field)i;
			return true;
		}
	return false;
}

static bool is_text(struct slice text)
{
	uint32_t character;

	while (text.n > 0)
		if (!utf8_next(&text, &character) || character < 0x20 ||
		    (character >= 0x7f && character < 0xa0))
			return false;
	return true;
}

static bool is_token(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!isalnum((unsigned char)text.p[i]) && !strchr("._~-", text.p[i]))
			return false;
	return text.n >= REFERENCE_CHARS_LEAST && text.n <= REFERENCE_CHARS_MOST;
}

/* Digits with or without the separators that people write them with. */
static bool looks_like_card(struct slice text)
{
	size_t digits = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (isdigit((unsigned char)text.p[i]))
			digits++;
		else if (!strchr(" .-", text.p[i]))
			return false;
	}
	return digits >= CARD_DIGITS_LEAST && digits <= CARD_DIGITS_MOST;
}

const char *form_check(const struct form *form, enum form_field field)
{
	struct slice value = slice_of(form->values[field]);

	if (value.n == 0)
		return "Please type it.";
	if (!is_text(value) || utf8_length(value) > REQUEST_NAME_CHARS)
		return "This is too long, or has strange characters.";
	if (field != FORM_REFERENCE)
		return NULL;
	if (looks_like_card(value))
		return "Never type a card number here. Ask your operator for a "
		       "reference.";
	return is_token(value)
		       ? NULL
		       : "A reference has 8 to 64 letters and digits, no spaces.";
}
