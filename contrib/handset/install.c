#include "contrib/handset/install.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define FEATURES          "features"
#define CURRENT           "current"
#define MANIFEST          "manifest.json"
#define MANIFEST_LIMIT    4096
#define DIGEST_NAME_CHARS 12 /* of the digest, in the name of a folder */

static const struct kind {
	const char *name;
	const char *file;
	mode_t mode;
} kinds[INSTALL_N_KINDS] = {
	[INSTALL_MODULE] = { "module", "program", 0700 },
	[INSTALL_ACTIVATION] = { "activation", "activation.json", 0600 },
};

const char *install_kind_name(enum install_kind kind)
{
	return kinds[kind].name;
}

bool install_kind_parse(struct slice name, enum install_kind *out)
{
	for (int i = 0; i < INSTALL_N_KINDS; i++)
		if (slice_eq(name, slice_of(kinds[i].name))) {
			*out = (enum install_kind)i;
			return true;
		}
	return false;
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '_' || c == '-';
}

bool install_id_is_valid(struct slice id)
{
	if (id.n == 0 || id.n > INSTALL_ID_CHARS || strchr("._-", id.p[0]))
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!is_name_character(id.p[i]))
			return false;
	return true;
}

/* A version is free text; in the name of a folder the digest tells versions apart. */
static void folder_name(const struct install_item *item, char *out, size_t size)
{
	char digest[2 * SHA256_BYTES + 1];

	hex_encode(slice_make(item->sha256, SHA256_BYTES), digest);
	snprintf(out, size, "%s-%.*s", item->version, DIGEST_NAME_CHARS, digest);
	for (char *p = out; *p; p++)
		if (!is_name_character(*p) || (p == out && *p == '.'))
			*p = '_';
}

#define FOLDER_CHARS (INSTALL_VERSION_CHARS + 1 + DIGEST_NAME_CHARS)

static bool folder_path(const struct install_item *item, char out[STORAGE_PATH_BYTES])
{
	char name[FOLDER_CHARS + 1];

	folder_name(item, name, sizeof(name));
	return storage_path(out, FEATURES "/%s/%s", item->id, name);
}

bool install_staged_path(const struct install_item *item, char out[STORAGE_PATH_BYTES])
{
	char folder[STORAGE_PATH_BYTES];

	return folder_path(item, folder) &&
	       storage_path(out, "%s/%s", folder, kinds[item->kind].file);
}

bool install_current_path(const struct install_item *item, char out[STORAGE_PATH_BYTES])
{
	return storage_path(out, FEATURES "/%s/" CURRENT "/%s", item->id,
			    kinds[item->kind].file);
}

static const char *reason_of_errno(void)
{
	bool is_full = errno == ENOSPC || errno == EDQUOT;

	log_warn("storage_failed", log_str("why", strerror(errno)));
	return is_full ? "storage_full" : "install_failed";
}

static bool write_manifest(const struct install_item *item, const char *folder)
{
	char digest[2 * SHA256_BYTES + 1], path[STORAGE_PATH_BYTES];
	json_t *json;
	char *text;
	bool ok;

	hex_encode(slice_make(item->sha256, SHA256_BYTES), digest);
	json = json_pack("{s:s, s:s, s:s, s:s}", "id", item->id, "version",
			 item->version, "kind", kinds[item->kind].name, "sha256",
			 digest);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	ok = text && storage_path(path, "%s/" MANIFEST, folder) &&
	     storage_write(path, slice_of(text), 0600);
	free(text);
	json_decref(json);
	return ok;
}

static bool make_folder(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* The name of the folder that `current` links to; empty when there is none. */
static void current_folder(const char *id, char *out, size_t size)
{
	char link[STORAGE_PATH_BYTES];
	ssize_t n = -1;

	if (storage_path(link, FEATURES "/%s/" CURRENT, id))
		n = readlink(link, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
}

static bool is_in_force(const struct install_item *item)
{
	char name[FOLDER_CHARS + 1], in_force[STORAGE_PATH_BYTES];

	folder_name(item, name, sizeof(name));
	current_folder(item->id, in_force, sizeof(in_force));
	return strcmp(name, in_force) == 0;
}

const char *install_stage(const struct install_item *item, const char *download)
{
	char folder[STORAGE_PATH_BYTES], feature[STORAGE_PATH_BYTES];
	char file[STORAGE_PATH_BYTES];
	uint8_t digest[SHA256_BYTES];
	struct install_item whole;
	int64_t size;

	if (is_in_force(item) && install_current(item->id, &whole))
		return NULL;
	if (!storage_sha256(download, digest, &size))
		return reason_of_errno();
	if (memcmp(digest, item->sha256, SHA256_BYTES) != 0)
		return "digest_mismatch";
	if (!folder_path(item, folder) || !install_staged_path(item, file) ||
	    !storage_path(feature, FEATURES "/%s", item->id) || !make_folder(feature) ||
	    !storage_sync(FEATURES) || !storage_remove(folder) ||
	    !make_folder(folder) || link(download, file) != 0 ||
	    chmod(file, kinds[item->kind].mode) != 0 || !storage_sync_file(file) ||
	    !write_manifest(item, folder) || !storage_sync(folder) ||
	    !storage_sync(feature)) {
		const char *reason = reason_of_errno();

		install_discard(item);
		return reason;
	}
	return NULL;
}

/* Remove an entry of a feature's folder unless it is `current` or what that names. */
static void remove_unless_in_force(void *id, const char *name)
{
	char in_force[STORAGE_PATH_BYTES], path[STORAGE_PATH_BYTES];

	current_folder(id, in_force, sizeof(in_force));
	if (strcmp(name, CURRENT) == 0 || strcmp(name, in_force) == 0)
		return;
	if (!storage_path(path, FEATURES "/%s/%s", (const char *)id, name) ||
	    !storage_remove(path))
		log_warn("not_removed", log_str("feature", id), log_str("name", name));
}

static void remove_others(const char *id)
{
	char feature[STORAGE_PATH_BYTES];

	if (storage_path(feature, FEATURES "/%s", id))
		storage_each(feature, remove_unless_in_force, (void *)id);
}

const char *install_commit(const struct install_item *item)
{
	char name[FOLDER_CHARS + 1], feature[STORAGE_PATH_BYTES];
	char link[STORAGE_PATH_BYTES], new_link[STORAGE_PATH_BYTES];

	folder_name(item, name, sizeof(name));
	if (!storage_path(feature, FEATURES "/%s", item->id) ||
	    !storage_path(link, "%s/" CURRENT, feature) ||
	    !storage_path(new_link, "%s/" CURRENT ".new", feature) ||
	    !storage_remove(new_link) || symlink(name, new_link) != 0 ||
	    rename(new_link, link) != 0 || !storage_sync(feature))
		return reason_of_errno();
	remove_others(item->id);
	return NULL;
}

void install_discard(const struct install_item *item)
{
	char folder[STORAGE_PATH_BYTES];

	if (!is_in_force(item) && folder_path(item, folder) && !storage_remove(folder))
		log_warn("not_removed", log_str("path", folder));
}

static bool read_manifest(const char *id, struct install_item *out)
{
	char path[STORAGE_PATH_BYTES];
	const char *name, *version, *kind, *digest;
	struct slice bytes = { NULL, 0 };
	json_t *json;
	bool ok;

	if (storage_path(path, FEATURES "/%s/" CURRENT "/" MANIFEST, id))
		bytes = storage_read(path, MANIFEST_LIMIT);
	json = bytes.p ? json_loadb(bytes.p, bytes.n, 0, NULL) : NULL;
	free((void *)bytes.p);
	ok = json &&
	     json_unpack(json, "{s:s, s:s, s:s, s:s}", "id", &name, "version", &version,
			 "kind", &kind, "sha256", &digest) == 0 &&
	     strcmp(name, id) == 0 && strlen(version) <= INSTALL_VERSION_CHARS &&
	     install_kind_parse(slice_of(kind), &out->kind) &&
	     hex_decode(slice_of(digest), out->sha256, SHA256_BYTES);
	if (ok) {
		snprintf(out->id, sizeof(out->id), "%s", id);
		snprintf(out->version, sizeof(out->version), "%s", version);
	}
	json_decref(json);
	return ok;
}

bool install_current(const char *id, struct install_item *out)
{
	char path[STORAGE_PATH_BYTES];
	uint8_t digest[SHA256_BYTES];
	int64_t size;

	return install_id_is_valid(slice_of(id)) && read_manifest(id, out) &&
	       install_current_path(out, path) && storage_sha256(path, digest, &size) &&
	       memcmp(digest, out->sha256, SHA256_BYTES) == 0;
}

static void recover_one(void *arg, const char *id)
{
	struct install_item whole;
	char in_force[STORAGE_PATH_BYTES];

	(void)arg;
	remove_others(id);
	current_folder(id, in_force, sizeof(in_force));
	if (in_force[0] && !install_current(id, &whole))
		log_error("feature_damaged", log_str("feature", id),
			  log_str("folder", in_force));
}

void install_recover(void)
{
	storage_each(FEATURES, recover_one, NULL);
}
