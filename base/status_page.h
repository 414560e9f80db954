/*
 * The pages of /status for people: the document that machines read, as text for a
 * terminal and as HTML for a browser. Knows the document, and nothing of the board.
 */
#ifndef BASE_STATUS_PAGE_H
#define BASE_STATUS_PAGE_H

#include <event2/buffer.h>
#include <jansson.h>

/**
 * Append a page of aligned tables, at most as wide as its longest cell wants.
 * @param status  borrowed; as status.c makes it, anything missing is shown as "-"
 */
void status_page_text(const json_t *status, struct evbuffer *out);
/** Append a whole HTML document, without scripts or anything from elsewhere, which asks
 * the browser to load it again every five seconds. Texts are escaped. */
void status_page_html(const json_t *status, struct evbuffer *out);

#endif
