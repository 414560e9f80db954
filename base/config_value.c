#include "base/config_value.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/conn.h"
#include "base/log.h"
#include "base/pem.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* From large to small, so that a value is written in the largest that divides it. */
static const struct unit durations[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 },     { "ms", 1 },      { NULL, 0 },
};
static const struct unit sizes[] = {
	{ "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 }, { "", 1 }, { NULL, 0 },
};

__attribute__((format(printf, 2, 3))) static bool fail(
	const struct config_reading *reading, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reading->why, reading->why_size, format, args);
	va_end(args);
	return false;
}

static bool store_string(const struct config_reading *reading, struct slice text,
			 char **field)
{
	*field = arena_string(reading->arena, text);
	return *field || fail(reading, "is too long");
}

static bool read_string(const struct config_reading *reading, struct slice text,
			void *field)
{
	return store_string(reading, text, field);
}

static bool is_bounded(const struct config_key *key)
{
	return key->min != 0 || key->max != 0;
}

static void write_scaled(const struct unit *units, int64_t value, FILE *out)
{
	while (units->factor > 1 && (value == 0 || value % units->factor != 0))
		units++;
	fprintf(out, "%" PRId64 "%s", value / units->factor, units->name);
}

static bool check_bounds(const struct config_reading *reading, const struct unit *units,
			 int64_t value)
{
	const struct config_key *key = reading->key;

	if (!is_bounded(key) || (value >= key->min && value <= key->max))
		return true;
	FILE *out = fmemopen(reading->why, reading->why_size, "w");
	BUG_ON(!out);
	fputs("is out of range, give ", out);
	write_scaled(units, key->min, out);
	fputs(" to ", out);
	write_scaled(units, key->max, out);
	fclose(out);
	return false;
}

static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

/* "010" could be meant as eight or as ten. */
static bool read_digits(struct slice text, int64_t *out)
{
	uint64_t value;

	if (text.n > 1 && text.p[0] == '0')
		return false;
	if (!slice_to_u64(text, INT64_MAX, &value))
		return false;
	*out = (int64_t)value;
	return true;
}

static bool read_number(const struct config_reading *reading, struct slice text,
			void *field)
{
	bool is_negative = slice_starts(text, SLICE("-"));
	int64_t value;

	if (!read_digits((struct slice){ text.p + is_negative, text.n - is_negative },
			 &value))
		return fail(reading, "is no number, write decimal digits without "
				     "leading zeros");
	if (is_negative)
		value = -value;
	*(int64_t *)field = value;
	return check_bounds(reading, plain, value);
}

/* Digits and the name of one of @p units. */
static bool read_scaled(const struct unit *units, struct slice text, int64_t *out)
{
	size_t n = 0;
	int64_t value;

	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	struct slice name = { text.p + n, text.n - n };
	if (!read_digits((struct slice){ text.p, n }, &value))
		return false;
	while (units->name && !slice_eq(name, slice_of(units->name)))
		units++;
	return units->name && !__builtin_mul_overflow(value, units->factor, out);
}

static bool read_duration(const struct config_reading *reading, struct slice text,
			  void *field)
{
	if (!read_scaled(durations, text, field))
		return fail(reading,
			    "is no duration, write like 250ms, 2s, 5m, 1h or 7d");
	return check_bounds(reading, durations, *(int64_t *)field);
}

static bool read_size(const struct config_reading *reading, struct slice text,
		      void *field)
{
	if (!read_scaled(sizes, text, field))
		return fail(reading,
			    "is no size, write bytes like 4096, 64k, 10m or 1g");
	return check_bounds(reading, sizes, *(int64_t *)field);
}

static bool read_bool(const struct config_reading *reading, struct slice text,
		      void *field)
{
	bool is_yes = slice_eq(text, SLICE("yes"));

	if (!is_yes && !slice_eq(text, SLICE("no")))
		return fail(reading, "is neither yes nor no");
	*(bool *)field = is_yes;
	return true;
}

/* Optional files and addresses are left out by "". */
static bool is_left_out(const struct config_reading *reading, struct slice text)
{
	const char *fallback = reading->key->fallback;

	return text.n == 0 && fallback && !fallback[0];
}

static bool check_secret(const struct config_reading *reading, const char *path,
			 const struct stat *st)
{
	if (!(st->st_mode & 077))
		return true;
	const char *mistake = pem_mistake(path, PEM_KEY);
	return fail(reading, "%s has mode %04o, others may read or write it%s", path,
		    (unsigned)st->st_mode & 07777, *mistake ? mistake : "; chmod 600");
}

static bool read_file(const struct config_reading *reading, struct slice text,
		      void *field)
{
	char **path = field;
	struct stat st;

	if (is_left_out(reading, text))
		return true;
	if (text.n == 0)
		return fail(reading, "is empty, give a file");
	*path = text.p[0] == '/'
			? arena_string(reading->arena, text)
			: arena_printf(reading->arena, "%s/%.*s", reading->directory,
				       (int)text.n, text.p);
	if (!*path)
		return fail(reading, "is too long");
	int fd = open(*path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		fail(reading, "%s: %s", *path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	if (!S_ISREG(st.st_mode))
		return fail(reading, "%s is no regular file", *path);
	return reading->key->type != CONFIG_SECRET || check_secret(reading, *path, &st);
}

/* Sockets for IPv6 are not for IPv4, too: such an address is none that they have. */
static bool is_ip4_in_ip6(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static bool read_address(const struct config_reading *reading, struct slice text,
			 void *field)
{
	struct sockaddr_storage address;
	socklen_t size;

	if (is_left_out(reading, text))
		return true;
	if (!store_string(reading, text, field))
		return false;
	if (!address_parse(*(char **)field, &address, &size) ||
	    address.ss_family == AF_UNIX)
		return fail(reading, "is no numeric address, write like "
				     "127.0.0.1:8443 or [::1]:8443");
	if (is_ip4_in_ip6(&address))
		return fail(reading, "is an IPv4 address as IPv6, write it as IPv4");
	return true;
}

/* In a form of quoted text that config_scan accepts, and takes for itself. */
static void write_quoted(const char *text, FILE *out)
{
	const char quote = strstr(text, "${") ? '\'' : '"';

	fputc(quote, out);
	for (; *text; text++) {
		if (*text == quote || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc(quote, out);
}

static void write_string(const void *field, FILE *out)
{
	const char *text = *(char *const *)field;
	write_quoted(text ? text : "", out);
}

static void write_number(const void *field, FILE *out)
{
	write_scaled(plain, *(const int64_t *)field, out);
}

static void write_bool(const void *field, FILE *out)
{
	fputs(*(const bool *)field ? "yes" : "no", out);
}

static void write_duration(const void *field, FILE *out)
{
	write_scaled(durations, *(const int64_t *)field, out);
}

static void write_size(const void *field, FILE *out)
{
	write_scaled(sizes, *(const int64_t *)field, out);
}

static void write_list(const void *field, FILE *out)
{
	const struct config_list *list = field;

	fputc('{', out);
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			fputs(", ", out);
		write_quoted(list->items[i], out);
	}
	fputc('}', out);
}

static const struct {
	const char *name;
	/* One item, of a list too. */
	bool (*read)(const struct config_reading *reading, struct slice text,
		     void *field);
	void (*write)(const void *field, FILE *out);
	bool is_list;
} types[] = {
	[CONFIG_STRING] = { "STRING", read_string, write_string },
	[CONFIG_NUMBER] = { "NUMBER", read_number, write_number },
	[CONFIG_BOOL] = { "yes|no", read_bool, write_bool },
	[CONFIG_DURATION] = { "DURATION", read_duration, write_duration },
	[CONFIG_SIZE] = { "SIZE", read_size, write_size },
	[CONFIG_PATH] = { "FILE", read_file, write_string },
	[CONFIG_SECRET] = { "SECRET", read_file, write_string },
	[CONFIG_ADDRESS] = { "ADDRESS", read_address, write_string },
	[CONFIG_LIST] = { "LIST", read_string, write_list, true },
	[CONFIG_ADDRESSES] = { "ADDRESSES", read_address, write_list, true },
};

static bool read_list(const struct config_reading *reading, const struct slice *items,
		      size_t n, struct config_list *list)
{
	const struct config_key *key = reading->key;

	if (is_bounded(key) && ((int64_t)n < key->min || (int64_t)n > key->max))
		return fail(reading, "has %zu elements, give %" PRId64 " to %" PRId64,
			    n, key->min, key->max);
	list->n = n;
	list->items = arena_alloc(reading->arena, n * sizeof(*list->items));
	if (!list->items)
		return fail(reading, "is too long");
	for (size_t i = 0; i < n; i++)
		if (!types[key->type].read(reading, items[i], &list->items[i]))
			return false;
	return true;
}

bool config_value_read(const struct config_reading *reading, const struct slice *items,
		       size_t n, void *field)
{
	enum config_type type = reading->key->type;

	if (types[type].is_list)
		return read_list(reading, items, n, field);
	BUG_ON(n != 1);
	return types[type].read(reading, items[0], field);
}

void config_value_write(const struct config_key *key, const void *field, FILE *out)
{
	types[key->type].write(field, out);
}

bool config_value_is_list(enum config_type type)
{
	return types[type].is_list;
}

const char *config_value_type(enum config_type type)
{
	return types[type].name;
}
