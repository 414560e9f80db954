/*
 * Configuration from one table per daemon. The table parses the file (libconfuse
 * underneath), sets a struct by offset, prints --dump-config, and writes the
 * keys for people (--help-config); base/describe.h does so for the manual. All
 * errors of a file are reported at once, each with file and line; an unknown key, a
 * key given twice or a bad value is an error. Environment expansion and includes are
 * refused.
 *
 *     listen = "127.0.0.1:8443"
 *     route "prov.example.com:8443" {
 *         address = {"127.0.0.1:9443"}
 *     }
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdio.h>

#include "base/files.h"
#include "base/slice.h"

enum config_type {
	CONFIG_STRING,   /* char *; owned by the config */
	CONFIG_NUMBER,   /* int64_t; min..max; decimal only, "010" is refused */
	CONFIG_BOOL,     /* bool; yes or no */
	CONFIG_DURATION, /* int64_t milliseconds; "250ms" "2s" "5m" "7d"; min..max in ms
			  */
	CONFIG_SIZE,     /* int64_t bytes; "64k" "10m" */
	/* Files are relative to the file they are named in, and absolute here. Where
	 * the fallback is "", these three may be left out and are then NULL. */
	CONFIG_PATH,      /* char *; a readable regular file */
	CONFIG_SECRET,    /* char *; one that only its owner may access */
	CONFIG_ADDRESS,   /* char *; numeric "ip:port", "[ip6]:port" */
	CONFIG_LIST,      /* struct config_list; of strings; min..max of them */
	CONFIG_ADDRESSES, /* struct config_list; of what CONFIG_ADDRESS takes */
};

struct config_list {
	char **items;
	size_t n;
};

struct config_key {
	const char *name;
	enum config_type type;
	size_t offset; /* into the section's struct */
	/* Of a list as it stands in the file, else the value without quotes; "":
	 * optional; NULL: required. */
	const char *fallback;
	const char *help; /* one sentence, for people */
	int64_t min, max; /* 0,0: no bounds */
	/* Further check of this key alone, once it has been read: the others of the
	 * section may not be there. Writes what to say after the key: "is none of ...".
	 * NULL: none. */
	bool (*check)(const void *section, char *why, size_t why_size);
};

/** A section: the top level (name NULL) or a titled block that may occur many times. */
struct config_section {
	const char *name;
	const char *help;
	const struct config_key *keys;
	size_t n_keys;
	size_t size; /* bytes of its struct, which in a block starts with `char *title`
		      */
	size_t offset; /* of its struct config_array in the top struct; unused for the
			  top */
	size_t min_count; /* how many blocks must be there at least */
};

/** Blocks of one section: n structs of section->size bytes, in file order. */
struct config_array {
	void *items;
	size_t n;
};

struct config_spec {
	const char *program;
	const struct config_section *sections; /* the first is the top level */
	size_t n_sections;
};

struct config;

/**
 * Read and check @p path.
 * @param errors  every error as a line "file:line: what, why, what to do"
 * @return the config, or NULL after writing at least one line to @p errors
 * Cost: blocking file I/O; at start and reload only.
 */
struct config *config_read(const struct config_spec *spec, const char *path,
			   FILE *errors);
/** NULL is nothing. */
void config_free(struct config *config);
/** The top struct; borrowed for the life of the config. */
const void *config_get(const struct config *config);
/** SHA-256 of the file as it was read: SHA256_BYTES, borrowed. */
const uint8_t *config_digest(const struct config *config);
/**
 * Keep the files that it names as they are now, until it is freed (base/files.h).
 * @param errors  a line "key: file: why" for each that cannot be, and for each secret
 * of somebody whose it may not be (base/secret.h)
 */
bool config_keep_files(struct config *config, FILE *errors)
	__attribute__((warn_unused_result));
/** What config_keep_files() kept, borrowed. */
const struct files *config_files(const struct config *config);
/**
 * The line to which a message about several values belongs, by its first words: a key
 * (`poll_min: is more than poll_max`), a block or a key of a block
 * (`route "a:1": care: is no path`), up to a colon or a comma.
 * @return the last line of a block; 0: the file does not say it, or has no such key
 */
unsigned config_line(const struct config *config, struct slice text);
/** From now on config_log_error() speaks of @p config: borrowed; NULL: of none. */
void config_use(const struct config *config);
/**
 * Log ERROR ev=config_error: what a key names cannot be loaded.
 * The line gives the place, too: why="file:line: key: why".
 * @param key  as it stands in the file; of a block `route "title": key`
 */
void config_log_error(const char *key, const char *why);
/** Write the effective settings in the syntax of the file, defaults included. */
void config_dump(const struct config *config, FILE *out);
/** Write all keys with defaults and help for people (--help-config). */
void config_help(const struct config_spec *spec, FILE *out);

#endif
