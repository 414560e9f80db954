#include "base/keyfile.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/secret.h"

#define FILE_BYTES 4096

const struct keyfile_key *keyfile_find(const struct keyfile *file, const void *kid)
{
	for (size_t i = 0; i < file->n; i++)
		if (memcmp(file->keys[i].kid, kid, KEYFILE_KID_BYTES) == 0)
			return &file->keys[i];
	return NULL;
}

/* NULL when the line is taken, else what is wrong with it. */
static const char *take_line(struct keyfile *file, struct slice line)
{
	struct slice kid, rest = line;
	struct keyfile_key key;
	const char *problem = NULL;

	if (!slice_next(&rest, ' ', &kid) || !rest.p ||
	    !hex_decode(kid, key.kid, sizeof(key.kid)) ||
	    !hex_decode(rest, key.bytes, sizeof(key.bytes)))
		problem = "not `KID KEY`, 16 and 64 hex digits; a line is made with: "
			  "echo $(openssl rand -hex 8) $(openssl rand -hex 32)";
	else if (file->n == KEYFILE_KEYS_MAX)
		problem = "more than two keys";
	else if (keyfile_find(file, key.kid))
		problem = "the same KID twice";
	else
		file->keys[file->n++] = key;
	OPENSSL_cleanse(&key, sizeof(key));
	return problem;
}

static bool take_lines(struct keyfile *file, struct slice text, const char *path,
		       char *why, size_t why_size)
{
	struct slice line;

	for (unsigned number = 1; slice_next(&text, '\n', &line); number++) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = slice_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		const char *problem = take_line(file, line);
		if (!problem)
			continue;
		snprintf(why, why_size, "%s:%u: %s", path, number, problem);
		return false;
	}
	if (file->n == 0)
		snprintf(why, why_size, "%s: holds no key", path);
	return file->n > 0;
}

bool keyfile_load(const char *path, struct keyfile *out, char *why, size_t why_size)
{
	struct secret text;

	*out = (struct keyfile){ .n = 0 };
	bool is_loaded =
		secret_read(path, FILE_BYTES, &text, why, why_size) &&
		take_lines(out, slice_make(text.p, text.n), path, why, why_size);
	secret_free(&text);
	if (!is_loaded)
		keyfile_wipe(out);
	return is_loaded;
}

void keyfile_wipe(struct keyfile *file)
{
	OPENSSL_cleanse(file, sizeof(*file));
}
