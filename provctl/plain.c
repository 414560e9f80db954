#include "provctl/plain.h"

#include <stddef.h>
#include <wchar.h>

#include "base/utf8.h"

/* Bytes of UTF-8 of the control character at the front, one or two; 0: none. */
static size_t control_bytes(const char *s)
{
	unsigned char a = (unsigned char)s[0], b = a ? (unsigned char)s[1] : 0;
	if (a < 0x20 || a == 0x7f)
		return 1;
	return a == 0xc2 && b >= 0x80 && b < 0xa0 ? 2 : 0;
}

void plain(char *text)
{
	char *to = text;
	for (size_t step; *text; text += step) {
		size_t control = control_bytes(text);
		step = control ? control : 1;
		*to++ = control ? '?' : *text;
	}
	*to = '\0';
}

int plain_width(struct slice text)
{
	uint32_t character;
	int width = 0;

	while (text.n > 0) {
		int columns = -1;
		if (utf8_next(&text, &character))
			columns = wcwidth((wchar_t)character);
		else
			text = slice_make(text.p + 1, text.n - 1);
		width += columns < 0 ? 1 : columns;
	}
	return width;
}
