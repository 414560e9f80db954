/*
 * Text as SMS carries it: which alphabet a text needs, and where it is cut into
 * parts. Works on UTF-8 and knows nothing of Kannel; a part is a piece of the text
 * itself, whole characters, so that the parts joined are the text.
 */
#ifndef SMSC_TEXT_H
#define SMSC_TEXT_H

#include "base/arena.h"

/** More parts than this are refused: a notice is a text to read on a handset. */
#define TEXT_MAX_PARTS 20

/** Octets of the concatenation header: 05 00 03 ref total seq. */
#define TEXT_UDH_BYTES 6

enum text_alphabet {
	TEXT_GSM7, /* default alphabet and its extension table; 3GPP TS 23.038, 6.2.1 */
	TEXT_UCS2, /* UTF-16, big endian; surrogate pairs for what is outside the BMP */
};

struct text_parts {
	enum text_alphabet alphabet;
	size_t n;
	struct slice part[TEXT_MAX_PARTS]; /* UTF-8, borrowed from the text */
};

enum text_problem {
	TEXT_OK,
	TEXT_EMPTY,
	TEXT_NOT_UTF8, /* invalid UTF-8, or a NUL */
	TEXT_TOO_LONG, /* over TEXT_MAX_PARTS parts */
};

/**
 * Choose the alphabet and cut a text into the fewest parts that hold it.
 *
 * One message of 160 septets or 70 UTF-16 units stays whole; else parts have 153 or 67,
 * which leaves room for the concatenation header. An extension character (two
 * septets) or a surrogate pair is never divided.
 *
 * @param text  borrowed; UTF-8; the parts borrow from it
 * @param out   written when TEXT_OK is returned
 * Cost: O(length), no allocation.
 * Source: 3GPP TS 23.038, 6.2.1; TS 23.040, 9.2.3.24.1
 */
enum text_problem text_split(struct slice text, struct text_parts *out)
	__attribute__((warn_unused_result));

/** One lower_snake_case word: "text_too_long". */
const char *text_problem_name(enum text_problem problem);

/**
 * Write the concatenation header with an 8-bit reference.
 * @param seq  1..total
 * Source: 3GPP TS 23.040, 9.2.3.24.1
 */
void text_udh(uint8_t reference, size_t total, size_t seq, uint8_t out[TEXT_UDH_BYTES]);

/** Valid UTF-8 as big-endian UTF-16. {NULL,0} past the arena's limit. */
struct slice text_to_utf16(struct arena *arena, struct slice utf8);

/**
 * Big-endian UTF-16 from outside as UTF-8 that PostgreSQL takes: lone surrogates, NUL
 * and an odd last octet become U+FFFD. {NULL,0} past the arena's limit.
 */
struct slice text_from_utf16(struct arena *arena, struct slice utf16);

/**
 * UTF-8 from outside made valid: each octet that is part of no character, and NUL,
 * become U+FFFD. {NULL,0} past the arena's limit.
 */
struct slice text_repair(struct arena *arena, struct slice utf8);

#endif
