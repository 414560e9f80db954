#include "base/json.h"

#include <stdio.h>

#include "base/codec.h"

static bool fail(char *why, size_t why_size, const char *member, const char *what)
{
	snprintf(why, why_size, "member `%s`: %s", member, what);
	return false;
}

/* Jansson recurses on nesting, so the depth is counted before it reads. In a text that
 * is not JSON the count may be wrong; jansson then stops at the first fault. */
static bool is_deep(struct slice text)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '[') &&
			 ++depth > JSON_DEPTH_LIMIT)
			return true;
		else if (!in_string && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return false;
}

json_t *json_parse(struct slice text, char *why, size_t why_size)
{
	if (text.n > JSON_TEXT_LIMIT || is_deep(text)) {
		snprintf(why, why_size, "the body is %s",
			 text.n > JSON_TEXT_LIMIT ? "too long" : "nested too deeply");
		return NULL;
	}
	json_error_t error;
	json_t *object = json_loadb(text.n ? text.p : "", text.n,
				    JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		bool is_duplicate = json_error_code(&error) == json_error_duplicate_key;
		snprintf(why, why_size, "the body is not JSON: %s at byte %d",
			 is_duplicate ? "a member twice" : "syntax", error.position);
		return NULL;
	}
	if (!json_is_object(object)) {
		snprintf(why, why_size, "the body is not a JSON object");
		json_decref(object);
		return NULL;
	}
	return object;
}

/* C0, DEL and, as UTF-8, C1. Jansson has checked the UTF-8. */
static bool has_controls(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	for (size_t i = 0; i < n; i++)
		if (u[i] < 0x20 || u[i] == 0x7f ||
		    (u[i] == 0xc2 && i + 1 < n && u[i + 1] < 0xa0))
			return true;
	return false;
}

static const char *read_text(const json_t *value, const struct json_member *m,
			     struct slice *out)
{
	if (!json_is_string(value))
		return "must be a string";
	*out = slice_make(json_string_value(value), json_string_length(value));
	if (out->n < (uint64_t)m->min)
		return "too short";
	if (out->n > (uint64_t)m->max)
		return "too long";
	if (has_controls(out->p, out->n))
		return "holds a control character";
	return NULL;
}

static const char *read_bytes(const json_t *value, const struct json_member *m,
			      struct json_bytes *out)
{
	if (!json_is_string(value))
		return "must be a string";
	struct slice text =
		slice_make(json_string_value(value), json_string_length(value));
	ssize_t n = base64url_decode(text, out->p, sizeof(out->p));
	if (n < 0 || n != m->max)
		return "not base64url of the right length";
	out->n = (size_t)n;
	return NULL;
}

static const char *read_int(const json_t *value, const struct json_member *m,
			    int64_t *out)
{
	if (!json_is_integer(value))
		return "must be an integer";
	*out = json_integer_value(value);
	return *out < m->min || *out > m->max ? "out of range" : NULL;
}

/* NULL when read, else what is wrong with it. */
static const char *read_member(json_t *value, const struct json_member *m, void *out)
{
	switch (m->shape) {
	case JSON_TEXT:
	case JSON_TEXT_OPTIONAL: return read_text(value, m, out);
	case JSON_INT: return read_int(value, m, out);
	case JSON_FLAG:
		*(bool *)out = json_is_true(value);
		return json_is_boolean(value) ? NULL : "must be true or false";
	case JSON_BYTES:
	case JSON_BYTES_OPTIONAL: return read_bytes(value, m, out);
	case JSON_OBJECT_OF:
		*(json_t **)out = value;
		return json_is_object(value) ? NULL : "must be an object";
	case JSON_LIST_OF:
		*(json_t **)out = value;
		if (!json_is_array(value))
			return "must be an array";
		if (json_array_size(value) < (uint64_t)m->min)
			return "too few elements";
		return json_array_size(value) > (uint64_t)m->max ? "too many elements"
								 : NULL;
	}
	return "of no known shape";
}

/* An absent member: allowed for the optional shapes, which it leaves empty. */
static bool read_absent(const struct json_member *m, void *out)
{
	if (m->shape == JSON_TEXT_OPTIONAL)
		*(struct slice *)out = slice_make(NULL, 0);
	else if (m->shape == JSON_BYTES_OPTIONAL)
		((struct json_bytes *)out)->n = 0;
	else
		return false;
	return true;
}

static bool is_listed(const struct json_member *members, size_t n_members,
		      const char *name)
{
	for (size_t i = 0; i < n_members; i++)
		if (strcmp(members[i].name, name) == 0)
			return true;
	return false;
}

/* Whether a name from outside may be repeated in a message. */
static bool is_plain(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789_-");
	return name[n] == '\0' && n <= 40;
}

/* The first member that the table does not name. */
static const char *unknown_name(const json_t *object, const struct json_member *members,
				size_t n_members)
{
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)object, name, value)
		if (!is_listed(members, n_members, name))
			return is_plain(name) ? name : "?";
	return "?";
}

bool json_read(const json_t *object, const struct json_member *members,
	       size_t n_members, void *out, char *why, size_t why_size)
{
	size_t n_read = 0;
	for (size_t i = 0; i < n_members; i++) {
		const struct json_member *m = &members[i];
		void *field = (char *)out + m->offset;
		json_t *value = json_object_get(object, m->name);
		if (!value && !read_absent(m, field))
			return fail(why, why_size, m->name, "missing");
		const char *problem = value ? read_member(value, m, field) : NULL;
		if (problem)
			return fail(why, why_size, m->name, problem);
		n_read += value != NULL;
	}
	if (n_read == json_object_size(object))
		return true;
	return fail(why, why_size, unknown_name(object, members, n_members), "unknown");
}
