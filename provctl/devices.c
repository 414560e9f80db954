#include "provctl/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/log.h"
#include "provctl/csv.h"
#include "provctl/cutter.h"
#include "provctl/provctl.h"

/* Of the fields of one record, of which each may need room for the rest of it. */
#define RECORD_MEMORY (4U << 20)

static const struct column {
	const char *name;
	bool is_optional; /* may be empty or missing: the record says nothing of it */
} columns[] = {
	{ "dev", false },        { "msisdn", false },      { "model", false },
	{ "given_name", false }, { "family_name", false }, { "postcode", false },
	{ "language", true },    { "cred", true },         { "email", true },
	{ "fax", true },
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct devices {
	const char *path;
	FILE *file;
	struct cutter cutter;
	const struct column *heading[CSV_FIELDS_MAX]; /* of CSV */
	size_t n_heading;
	uint64_t n;
	struct arena *record; /* memory of one */
};

/* ---- CSV ---- */

static const struct column *column_find(const char *name)
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

static bool heading_has(const struct devices *devices, const struct column *column)
{
	for (size_t i = 0; i < devices->n_heading; i++)
		if (devices->heading[i] == column)
			return true;
	return false;
}

/* What is wrong with a heading of these names; NULL: nothing, it is kept. */
static const char *heading_take(struct devices *devices, const char *const *names,
				size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct column *column = column_find(names[i]);
		if (!column && n == 1 && strpbrk(names[i], ";\t"))
			return "the heading has no commas; separate columns with "
			       "commas alone";
		if (!column)
			return arena_printf(devices->record,
					    "the heading names a column that is not "
					    "known, %s; see doc/devices.md",
					    names[i]);
		if (heading_has(devices, column))
			return arena_printf(devices->record,
					    "the heading names %s twice", names[i]);
		devices->heading[devices->n_heading++] = column;
	}
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (!columns[i].is_optional && !heading_has(devices, &columns[i]))
			return arena_printf(devices->record,
					    "the heading has no column %s; see "
					    "doc/devices.md",
					    columns[i].name);
	return NULL;
}

/* One record as an object; NULL: it is not UTF-8. */
static json_t *device_of_fields(const struct devices *devices,
				const char *const *fields)
{
	json_t *device = json_object();

	for (size_t i = 0; i < devices->n_heading; i++) {
		const struct column *column = devices->heading[i];
		if (*fields[i] == '\0' && column->is_optional)
			continue;
		if (json_object_set_new(device, column->name, json_string(fields[i])) !=
		    0) {
			json_decref(device);
			return NULL;
		}
	}
	return device;
}

/* Read a record: the heading, while there is none, else a device. */
static const char *read_record(struct devices *devices, struct slice text,
			       json_t **device)
{
	const char *fields[CSV_FIELDS_MAX];
	struct csv csv;

	csv_open(&csv, text);
	size_t n = csv_next(&csv, devices->record, fields);
	if (csv.error)
		return csv.error;
	if (devices->n_heading == 0)
		return heading_take(devices, fields, n);
	if (n != devices->n_heading)
		return arena_printf(devices->record,
				    "has %zu fields, where the heading has %zu", n,
				    devices->n_heading);
	*device = device_of_fields(devices, fields);
	return *device ? NULL : "is not UTF-8";
}

/* ---- JSON ---- */

static const char *read_object(struct devices *devices, struct slice text,
			       json_t **device)
{
	json_error_t error;

	*device = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	if (*device)
		return NULL;
	devices->cutter.line += (unsigned int)error.line - 1;
	return arena_string(devices->record, slice_of(error.text));
}

/* ---- The file ---- */

static bool complain_of_line(const struct devices *devices, const char *problem)
{
	complain("%s:%u: %s", devices->path, devices->cutter.line, problem);
	return false;
}

bool devices_next(struct devices *devices, json_t **device, unsigned int *line)
{
	struct cutter *cutter = &devices->cutter;
	struct slice text;

	*device = NULL;
	while (!*device && cutter_next(cutter, &text)) {
		arena_reset(devices->record);
		*line = cutter->line;
		const char *problem = cutter->is_json
					      ? read_object(devices, text, device)
					      : read_record(devices, text, device);
		if (problem)
			return complain_of_line(devices, problem);
	}
	if (cutter->error)
		return complain_of_line(devices, cutter->error);
	if (!*device && !cutter->is_json && devices->n_heading == 0)
		return complain_of_line(devices, "there is no heading with the "
						 "columns, dev,msisdn,...");
	return true;
}

static void devices_rewind(struct devices *devices)
{
	cutter_open(&devices->cutter, devices->file);
	devices->n_heading = 0;
}

/* Can all of it be read? Counts them. */
static bool devices_check(struct devices *devices)
{
	unsigned int line;
	json_t *device;

	devices_rewind(devices);
	while (devices_next(devices, &device, &line)) {
		if (!device) {
			devices_rewind(devices);
			return true;
		}
		json_decref(device);
		devices->n++;
	}
	return false;
}

/* A temporary file with what comes out of @p from; NULL after a complaint. */
static FILE *spool(const char *path, FILE *from)
{
	char bytes[16 * 1024];
	FILE *copy = tmpfile();
	size_t n;

	while (copy && (n = fread(bytes, 1, sizeof(bytes), from)) > 0)
		if (fwrite(bytes, 1, n, copy) != n)
			break;
	if (copy && !ferror(from) && !ferror(copy) && fflush(copy) == 0)
		return copy;
	complain("%s: cannot be copied to a temporary file: %s; name a file instead",
		 path, strerror(errno));
	if (copy)
		fclose(copy);
	return NULL;
}

/* The file, open for reading from any place; NULL after a complaint. */
static FILE *open_seekable(const char *path)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return spool(path, stdin);
	FILE *file = fopen(path, "re");
	if (!file || fstat(fileno(file), &status) != 0) {
		complain("%s: %s", path, strerror(errno));
	} else if (S_ISDIR(status.st_mode)) {
		complain("%s: is a folder; name a file of devices", path);
	} else if (S_ISREG(status.st_mode)) {
		return file;
	} else {
		FILE *copy = spool(path, file);
		fclose(file);
		return copy;
	}
	if (file)
		fclose(file);
	return NULL;
}

struct devices *devices_open(const char *path)
{
	FILE *file = open_seekable(path);
	if (!file)
		return NULL;
	struct devices *devices = calloc(1, sizeof(*devices));
	BUG_ON(!devices);
	devices->path = path;
	devices->file = file;
	devices->record = arena_new(RECORD_MEMORY);
	if (devices_check(devices))
		return devices;
	devices_close(devices);
	return NULL;
}

uint64_t devices_count(const struct devices *devices)
{
	return devices->n;
}

void devices_close(struct devices *devices)
{
	if (!devices)
		return;
	fclose(devices->file);
	arena_free(devices->record);
	free(devices);
}
