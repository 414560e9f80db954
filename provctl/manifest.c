#include "provctl/manifest.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provctl/file.h"
#include "provctl/provctl.h"

#define MEDIA_TYPE_DEFAULT "application/octet-stream"

/* As doc/catalogue.md describes them; a member that stands in neither is an error. */
#define MANIFEST_SHAPE "{s:s, s:s, s:o, s:o, !}"
#define FEATURE_SHAPE \
	"{s:s, s:s, s:s, s:s, s?s, s?s, s?s, s?I, s?s, s?s, s?s, s?o, s?o, !}"
#define TERMS_SHAPE "{s:s, s:s, s:s, !}"

/* Size and digest of a file; false after a complaint. */
static bool file_digest(const char *path, uint64_t *size, uint8_t out[SHA256_BYTES])
{
	char block[65536];
	ssize_t n = 0;
	uint64_t unused;
	int fd = file_open(path, &unused);
	struct digest *digest;

	if (fd < 0)
		return false;
	digest = digest_begin();
	*size = 0;
	while ((n = read(fd, block, sizeof(block))) > 0) {
		digest_add(digest, slice_make(block, (size_t)n));
		*size += (uint64_t)n;
	}
	if (n < 0)
		complain("%s: %s", path, strerror(errno));
	digest_end(digest, out);
	close(fd);
	return n == 0;
}

/* Where a feature says that its content is. */
struct place {
	const char *file;         /* beside the manifest; or else */
	const char *url, *sha256; /* elsewhere */
	json_int_t size;
};

static bool content_elsewhere(const char *beside, size_t n, const struct place *place,
			      struct manifest_content *content)
{
	if (!place->url || !place->sha256 || place->size <= 0 ||
	    !hex_decode(slice_of(place->sha256), content->sha256, SHA256_BYTES)) {
		complain("%s: feature %zu: has no file, nor url, sha256 and size of "
			 "what lies elsewhere",
			 beside, n + 1);
		return false;
	}
	content->path = NULL;
	content->size = (uint64_t)place->size;
	return true;
}

static bool content_beside(struct arena *arena, const char *beside, const char *file,
			   struct manifest_content *content)
{
	content->path = file_beside(arena, beside, file);
	if (!content->path) {
		complain("%s: the file %s is not in the folder of the manifest", beside,
			 file);
		return false;
	}
	if (!file_digest(content->path, &content->size, content->sha256))
		return false;
	if (content->size == 0)
		complain("%s: is empty", content->path);
	return content->size > 0;
}

static bool content_find(struct arena *arena, const char *beside, size_t n,
			 const struct place *place, struct manifest_content *content)
{
	if (place->file && (place->url || place->sha256 || place->size)) {
		complain("%s: feature %zu: has a file here and content elsewhere",
			 beside, n + 1);
		return false;
	}
	if (place->file ? !content_beside(arena, beside, place->file, content)
			: !content_elsewhere(beside, n, place, content))
		return false;
	hex_encode(slice_make(content->sha256, SHA256_BYTES), content->hex);
	return true;
}

/* A feature as catalogue_begin() takes it; uri is for one that names none (A051). */
static json_t *feature_read(struct arena *arena, const char *path, size_t n,
			    json_t *from, const char *uri,
			    struct manifest_content *content)
{
	const char *id, *version, *name, *kind, *media_type = MEDIA_TYPE_DEFAULT;
	const char *description = "";
	struct place place = { .file = NULL };
	json_t *models = NULL, *conflicts = NULL;
	json_error_t error;

	if (json_unpack_ex(from, &error, 0, FEATURE_SHAPE, "id", &id, "version",
			   &version, "name", &name, "kind", &kind, "file", &place.file,
			   "url", &place.url, "sha256", &place.sha256, "size",
			   &place.size, "media_type", &media_type, "description",
			   &description, "uri", &uri, "models", &models, "conflicts",
			   &conflicts) != 0) {
		complain("%s: feature %zu: %s", path, n + 1, error.text);
		return NULL;
	}
	if (!content_find(arena, path, n, &place, content))
		return NULL;
	content->media_type = arena_string(arena, slice_of(media_type));
	json_t *made = json_pack(
		"{ss ss ss ss ss ss s{ss sI ss ss*}}", "id", id, "version", version,
		"name", name, "kind", kind, "description", description, "uri", uri,
		"content", "sha256", content->hex, "size", (json_int_t)content->size,
		"media_type", media_type, "url", place.url);
	if (models)
		json_object_set(made, "models", models);
	if (conflicts)
		json_object_set(made, "conflicts", conflicts);
	return made;
}

/* Terms with their text; the line end that editors put at the end of a file is left
 * out. */
static json_t *terms_read(struct arena *arena, const char *path, size_t n, json_t *from)
{
	const char *language, *version, *file;
	json_error_t error;
	struct slice text;

	if (json_unpack_ex(from, &error, 0, TERMS_SHAPE, "language", &language,
			   "version", &version, "file", &file) != 0) {
		complain("%s: terms %zu: %s", path, n + 1, error.text);
		return NULL;
	}
	const char *text_path = file_beside(arena, path, file);
	if (!text_path) {
		complain("%s: the file %s is not in the folder of the manifest", path,
			 file);
		return NULL;
	}
	if (!file_read(arena, text_path, &text))
		return NULL;
	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	json_t *made = json_pack("{ss ss ss%}", "language", language, "version",
				 version, "text", text.p, text.n);
	if (!made)
		complain("%s: is not UTF-8", text_path);
	return made;
}

static bool features_read(struct arena *arena, const char *path, json_t *from,
			  const char *uri, struct manifest *out)
{
	size_t n = json_array_size(from);
	json_t *made = json_array();

	json_object_set_new(out->json, "features", made);
	out->contents = arena_alloc(arena, (n + 1) * sizeof(*out->contents));
	if (!out->contents || n > MANIFEST_FEATURES_MAX) {
		complain("%s: has too many features", path);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		json_t *feature = feature_read(arena, path, i, json_array_get(from, i),
					       uri, &out->contents[out->n_contents++]);
		if (!feature)
			return false;
		json_array_append_new(made, feature);
	}
	return true;
}

static bool all_terms_read(struct arena *arena, const char *path, json_t *from,
			   struct manifest *out)
{
	json_t *made = json_array();

	json_object_set_new(out->json, "terms", made);
	for (size_t i = 0; i < json_array_size(from); i++) {
		json_t *terms = terms_read(arena, path, i, json_array_get(from, i));
		if (!terms)
			return false;
		json_array_append_new(made, terms);
	}
	return true;
}

bool manifest_open(struct arena *arena, const char *path, struct manifest *out)
{
	const char *default_language, *uri;
	json_t *features, *terms;
	json_error_t error;
	struct stat status;
	struct slice text;

	*out = (struct manifest){ .json = json_object() };
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		path = arena_printf(arena, "%s/manifest.json", path);
	if (!path || !file_read(arena, path, &text))
		return false;
	/* As some editors leave it. */
	if (slice_starts(text, SLICE("\xef\xbb\xbf")))
		text = slice_make(text.p + 3, text.n - 3);
	json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	bool is_good = root && json_unpack_ex(root, &error, 0, MANIFEST_SHAPE,
					      "default_language", &default_language,
					      "provisioning_uri", &uri, "features",
					      &features, "terms", &terms) == 0;
	if (is_good) {
		json_object_set_new(out->json, "default_language",
				    json_string(default_language));
		is_good = features_read(arena, path, features, uri, out) &&
			  all_terms_read(arena, path, terms, out);
	} else {
		complain("%s:%d: %s", path, error.line > 0 ? error.line : 1,
			 error.text);
	}
	json_decref(root);
	return is_good;
}

void manifest_close(struct manifest *manifest)
{
	json_decref(manifest->json);
}
