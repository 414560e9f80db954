/*
 * Logging: one line per fact on stderr, `time LEVEL program[pid] ev=... key=value`.
 * Values are escaped here, so that nothing from outside can forge a line or reach
 * a terminal. ERROR: a person must act. WARN: degraded, coped. INFO: one line
 * per request and per change of a link. Under a journal the time is left out. Who
 * stops reading is not waited for, and a full disk ends nothing: lines are lost, and
 * the next tells how many.
 *
 *     log_info("session_end", log_str("sid", sid), log_num("ms", elapsed_ms));
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

enum log_kind {
	LOG_KIND_TEXT,
	LOG_KIND_NUMBER,
	LOG_KIND_HEX,
	LOG_KIND_MASKED
};

struct log_field {
	const char *key;
	enum log_kind kind;
	struct slice text;
	int64_t number;
};

/** Name this process in every line; call once per process, when its stderr is what it
 * will be. @p program borrowed for ever. */
void log_open(const char *program, enum log_level level);
/** Any case. @return false when @p name is no level; *out is then untouched */
bool log_level_parse(struct slice name, enum log_level *out);
bool log_is_enabled(enum log_level level);

/** Write a line for people, as it is: what a program says that does not even begin. The
 * journal takes it for an error. */
void log_complain(struct slice line);
/** Write one line. Fields with empty text are written as key=- . At most 2 KiB a value.
 */
void log_write(enum log_level level, const char *event, const struct log_field *fields,
	       size_t n_fields);

/**
 * From now on, until log_open(), lines of INFO and DEBUG may wait for log_flush(), to
 * be written together; WARN and ERROR take them along at once. For a process whose
 * bytes go out by connections (conn.h) and that has a loop (loop.h): both flush, the
 * one before anything leaves, the other at the end of each turn. So who has an answer
 * finds its line in the log, and a process that is killed loses only lines about what
 * nobody has seen.
 */
void log_gather(void);
/** Write the lines that wait. Cheap when there are none. */
void log_flush(void);

static inline struct log_field log_str(const char *key, const char *value)
{
	return (struct log_field){ key, LOG_KIND_TEXT, slice_of(value), 0 };
}

static inline struct log_field log_slice(const char *key, struct slice value)
{
	return (struct log_field){ key, LOG_KIND_TEXT, value, 0 };
}

static inline struct log_field log_num(const char *key, int64_t value)
{
	return (struct log_field){ key, LOG_KIND_NUMBER, { NULL, 0 }, value };
}

/** Bytes as lower-case hex. */
static inline struct log_field log_hex(const char *key, struct slice value)
{
	return (struct log_field){ key, LOG_KIND_HEX, value, 0 };
}

/** A number or name of a person: all but the last three characters become `*`. */
static inline struct log_field log_masked(const char *key, struct slice value)
{
	return (struct log_field){ key, LOG_KIND_MASKED, value, 0 };
}

#define LOG_FIELDS(...)                        \
	((struct log_field[]){ __VA_ARGS__ }), \
		sizeof((struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field)
#define log_error(event, ...) \
	log_write(LOG_LEVEL_ERROR, (event), LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...) log_write(LOG_LEVEL_WARN, (event), LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_write(LOG_LEVEL_INFO, (event), LOG_FIELDS(__VA_ARGS__))
#define log_debug(event, ...) \
	log_write(LOG_LEVEL_DEBUG, (event), LOG_FIELDS(__VA_ARGS__))

/** We are wrong: log ERROR ev=bug with the place and abort. Never for input. */
#define BUG_ON(condition)                                        \
	do {                                                     \
		if (condition)                                   \
			log_bug(#condition, __FILE__, __LINE__); \
	} while (0)
/**
 * From now on also leave the last ERROR of this process at @p out, cut to @p size, from
 * "ev=" on.
 * @param out  borrowed for ever; NULL: no longer
 */
void log_keep_error(char *out, size_t size);
/** From now on also count lost lines at @p n_lost, which processes may share: borrowed
 * for ever; NULL: no longer. */
void log_count_lost(uint64_t *n_lost);
/** From now on, or no longer, write ERROR as WARN: who reads what log_keep_error()
 * keeps judges what it means, and says so once. */
void log_demote_errors(bool is_demoted);
_Noreturn void log_bug(const char *what, const char *file, int line);

#endif
