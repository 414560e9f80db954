#include "provctl/devices.h"

#include "provctl/csv.h"
#include "provctl/file.h"
#include "provctl/provctl.h"

static const char *const columns[] = { "dev",        "msisdn",      "model",
				       "given_name", "family_name", "postcode",
				       "language",   "cred",        "email",
				       "fax" };
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static bool is_column(const char *name)
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (strcmp(columns[i], name) == 0)
			return true;
	return false;
}

/* May its field be empty? Then the record says nothing of it. */
static bool is_optional(const char *name)
{
	return !strcmp(name, "language") || !strcmp(name, "cred") ||
	       !strcmp(name, "email") || !strcmp(name, "fax");
}

/* One record as an object. */
static json_t *device_of_record(const char *const *names, const char *const *fields,
				size_t n)
{
	json_t *device = json_object();
	for (size_t i = 0; i < n; i++) {
		if (*fields[i] == '\0' && is_optional(names[i]))
			continue;
		if (json_object_set_new(device, names[i], json_string(fields[i])) !=
		    0) {
			json_decref(device);
			return NULL; /* not UTF-8 */
		}
	}
	return device;
}

/* Records after a heading that names the columns, as an array of objects. */
static json_t *devices_of_csv(struct arena *arena, const char *path, struct slice text)
{
	const char *names[CSV_FIELDS_MAX], *fields[CSV_FIELDS_MAX];
	const char *problem = NULL;
	json_t *devices = json_array();
	struct csv csv;
	size_t n;

	csv_open(&csv, text);
	size_t n_names = csv_next(&csv, arena, names);
	for (size_t i = 0; i < n_names; i++)
		if (!is_column(names[i]))
			problem = arena_printf(arena,
					       "the heading names a column that is not "
					       "known, %s; see doc/devices.md",
					       names[i]);
	while (!problem && (n = csv_next(&csv, arena, fields)) > 0) {
		json_t *device =
			n == n_names ? device_of_record(names, fields, n) : NULL;
		if (device)
			json_array_append_new(devices, device);
		else
			problem = n == n_names ? "is not UTF-8" : "has other columns";
	}
	problem = csv.error ? csv.error : problem;
	if (!problem && n_names > 0)
		return devices;
	complain("%s:%u: %s", path, csv.line,
		 problem ? problem
			 : "there is no heading with the columns, dev,msisdn,...");
	json_decref(devices);
	return NULL;
}

static json_t *devices_of_json(const char *path, struct slice text)
{
	json_error_t error;
	json_t *devices = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	if (devices && json_is_array(devices))
		return devices;
	complain("%s:%d: %s", path, devices ? 1 : error.line,
		 devices ? "is no array of devices" : error.text);
	json_decref(devices);
	return NULL;
}

json_t *devices_read(struct arena *arena, const char *path)
{
	struct slice text;

	if (!file_read(arena, path, &text))
		return NULL;
	size_t head = 0;
	while (head < text.n && strchr(" \t\r\n", text.p[head]) && text.p[head])
		head++;
	bool is_json = head < text.n && (text.p[head] == '[' || text.p[head] == '{');
	return is_json ? devices_of_json(path, text)
		       : devices_of_csv(arena, path, text);
}
