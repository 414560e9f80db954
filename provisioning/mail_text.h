/*
 * The texts of a message by mail (RFC 5322, RFC 2047): addresses, fields and line ends.
 * Knows no server; nothing that it writes can end a line that it did not mean to end.
 */
#ifndef PROVISIONING_MAIL_TEXT_H
#define PROVISIONING_MAIL_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/slice.h"

#define MAIL_ADDRESS_CHARS 254 /* RFC 5321, 4.5.3.1.3 */

/**
 * Is it an address that needs no quotes anywhere? local@domain of ASCII: dot-atoms,
 * and at least two labels. As is_email() of the schema.
 *
 * Source: RFC 5321, 4.1.2
 */
bool mail_text_is_address(struct slice text);
/** What comes after the @ of an address. */
struct slice mail_text_domain(struct slice address);
/**
 * Write text for a field: as it is when it is short, printable ASCII, else as encoded
 * words, folded.
 *
 * @param text  valid UTF-8
 * Source: RFC 2047, 2, 5
 */
void mail_text_write_words(FILE *out, struct slice text);
/**
 * Write the Message-ID of an effect: the same for the same key, <key@domain>.
 * @param key  what cannot stand there becomes _
 * Source: RFC 5322, 3.6.4
 */
void mail_text_write_id(FILE *out, const char *key, struct slice domain);
/** Write text with lines that end as those of a mail. */
void mail_text_write_lines(FILE *out, struct slice text);

#endif
