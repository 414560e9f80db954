/*
 * smscsim: an SMPP 3.4 message centre with a radio side, for tests, demonstrations
 * and load. See doc/smsc.md.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/describe.h"
#include "base/help.h"
#include "base/listener.h"
#include "base/log.h"
#include "base/standard.h"
#include "contrib/smscsim/centre.h"
#include "contrib/smscsim/radio.h"

#define EXIT_USAGE    2
#define PASSWORD_MAX  8  /* SMPP 3.4, 5.2.2 */
#define SYSTEM_ID_MAX 15 /* 5.2.1 */
#define OPTION_BASE   256

struct options {
	const char *listen;
	const char *radio;
	const char *password_file;
	const char *system_id;
	const char *log_level;
	int64_t port; /* -1: use listen */
	int64_t latency_ms, late_receipt_ms, throttle, error_every, error_status,
		drop_receipt_every, repeat_receipt_every, hex_ids, deliver_all;
};

/* Every option: text options set a string, the others a number of min..max. */
static const struct option_row {
	const char *name, *argument, *help;
	size_t text_offset, number_offset;
	int64_t min, max;
} rows[] = {
#define TEXT_OPTION(name, argument, member, help)                               \
	{                                                                       \
		name, argument, help, offsetof(struct options, member), 0, 0, 0 \
	}
#define NUMBER_OPTION(name, argument, member, min, max, help)                       \
	{                                                                           \
		name, argument, help, 0, offsetof(struct options, member), min, max \
	}
	TEXT_OPTION("listen", "IP:PORT", listen, "SMPP (default 127.0.0.1:2775)"),
	NUMBER_OPTION("port", "PORT", port, 0, 65535,
		      "the same on 127.0.0.1; 0 takes a free one"),
	TEXT_OPTION("radio", "PATH", radio, "socket of the radio side (required)"),
	TEXT_OPTION("password-file", "FILE", password_file,
		    "SMPP password: 1 to 8 characters; mode 0600"),
	TEXT_OPTION("system-id", "ID", system_id, "SMPP user (default kannel)"),
	NUMBER_OPTION("latency-ms", "MS", latency_ms, 0, 600000,
		      "before a submit_sm is answered"),
	NUMBER_OPTION("throttle", "N", throttle, 0, 1000000,
		      "submit_sm a second, more are answered with 0x58"),
	NUMBER_OPTION("error-every", "N", error_every, 0, 1000000000,
		      "each Nth submit_sm fails"),
	NUMBER_OPTION("error-status", "STATUS", error_status, 1, 0xff,
		      "with this; default 8, a temporary system error"),
	NUMBER_OPTION("drop-receipt-every", "N", drop_receipt_every, 0, 1000000000,
		      "each Nth receipt is lost"),
	NUMBER_OPTION("repeat-receipt-every", "N", repeat_receipt_every, 0, 1000000000,
		      "each Nth receipt comes twice"),
	NUMBER_OPTION("hex-ids", "N", hex_ids, 0, 3,
		      "ids in hex: 1 in answers, 2 in receipts, 3 both"),
	NUMBER_OPTION("late-receipt-ms", "MS", late_receipt_ms, 0, 86400000,
		      "between delivery and receipt"),
	NUMBER_OPTION("deliver-all", "N", deliver_all, 0, 1,
		      "1: delivered, too, where no handset is there"),
	TEXT_OPTION("log-level", "LEVEL", log_level, "error, warn, info or debug"),
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

#define OPTION_COLUMN 31 /* of the help */
#define HELP_HELP     "show this help"
#define VERSION_HELP  "show the version"

static void print_help(void)
{
	printf("smscsim: an SMPP 3.4 message centre with a radio side\n"
	       "usage: smscsim --radio PATH --password-file FILE [OPTION...]\n\n");
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[40];
		snprintf(left, sizeof(left), "  --%s %s", rows[i].name,
			 rows[i].argument);
		help_row(stdout, OPTION_COLUMN, left, rows[i].help);
	}
	help_row(stdout, OPTION_COLUMN, "  --help", HELP_HELP);
	help_row(stdout, OPTION_COLUMN, "  --version", VERSION_HELP);
	puts("");
	help_row(stdout, 0, "",
		 "Exit status: 0; 1 when it failed or the client broke the protocol; 2 "
		 "for a wrong command line.");
}

static void describe(void)
{
	for (size_t i = 0; i < N_ROWS; i++)
		describe_option(stdout, "", '\0', rows[i].name, rows[i].argument,
				rows[i].help);
	describe_option(stdout, "", '\0', "help", NULL, HELP_HELP);
	describe_option(stdout, "", '\0', "version", NULL, VERSION_HELP);
}

static bool set_option(struct options *options, const struct option_row *row)
{
	char *at = (char *)options;
	uint64_t value;
	if (row->max == 0) {
		*(const char **)(void *)(at + row->text_offset) = optarg;
		return true;
	}
	if (!slice_to_u64(slice_of(optarg), (uint64_t)row->max, &value) ||
	    (int64_t)value < row->min) {
		fprintf(stderr, "smscsim: --%s: %s is no number of %lld to %lld\n",
			row->name, optarg, (long long)row->min, (long long)row->max);
		return false;
	}
	*(int64_t *)(void *)(at + row->number_offset) = (int64_t)value;
	return true;
}

/* @return -1 to go on, else the exit status */
static int parse_options(int argc, char **argv, struct options *options)
{
	struct option table[N_ROWS + 4] = { { NULL, 0, NULL, 0 } };
	for (size_t i = 0; i < N_ROWS; i++)
		table[i] = (struct option){ rows[i].name, required_argument, NULL,
					    (int)(OPTION_BASE + i) };
	table[N_ROWS] = (struct option){ "help", no_argument, NULL, 'h' };
	table[N_ROWS + 1] = (struct option){ "version", no_argument, NULL, 'V' };
	table[N_ROWS + 2] = (struct option){ DESCRIBE_OPTION, no_argument, NULL, 'd' };
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		if (c == 'h')
			print_help();
		if (c == 'V')
			puts("smscsim " PACKAGE_VERSION);
		if (c == 'd')
			describe();
		if (c == 'h' || c == 'V' || c == 'd')
			return EXIT_SUCCESS;
		if (c == '?') /* getopt_long has said what is wrong */
			fprintf(stderr, "smscsim: see --help\n");
		if (c == '?' || !set_option(options, &rows[c - OPTION_BASE]))
			return EXIT_USAGE;
	}
	if (optind < argc || !options->radio || !options->password_file ||
	    strlen(options->system_id) > SYSTEM_ID_MAX) {
		fprintf(stderr, "smscsim: --radio and --password-file are needed, "
				"nothing else without an option; see --help\n");
		return EXIT_USAGE;
	}
	return -1;
}

/* Read the first line of a file that only its owner may read. */
static bool read_password(const char *path, char out[PASSWORD_MAX + 1])
{
	char line[PASSWORD_MAX + 3];
	struct stat st;
	FILE *file = fopen(path, "re");
	bool is_read = file && fstat(fileno(file), &st) == 0 &&
		       (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
		       fgets(line, sizeof(line), file);
	if (file)
		fclose(file);
	if (!is_read) {
		fprintf(stderr,
			"smscsim: --password-file: %s: cannot be read, is empty, or "
			"others may read it: put the password into it, and chmod 600\n",
			path);
		return false;
	}
	size_t n = strcspn(line, "\r\n");
	if (n == 0 || n > PASSWORD_MAX) {
		fprintf(stderr,
			"smscsim: --password-file: %s: an SMPP password has 1 to %d "
			"characters\n",
			path, PASSWORD_MAX);
		return false;
	}
	memcpy(out, line, n);
	out[n] = 0;
	return true;
}

static void log_listening(int fd, const char *radio)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);
	getsockname(fd, (struct sockaddr *)&address, &size);
	/* The port stands at the same place for both families. */
	uint16_t port = ntohs(((struct sockaddr_in *)&address)->sin_port);
	log_info("listening", log_num("port", port), log_str("radio", radio));
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	centre_accept(arg, fd);
}

static void on_stop(void *arg)
{
	loop_stop(arg);
}

static void log_stopped(const struct centre_counts *counts)
{
	log_info("stopped", log_num("submitted", counts->submitted),
		 log_num("refused", counts->refused),
		 log_num("delivered", counts->delivered),
		 log_num("receipts", counts->receipts),
		 log_num("originated", counts->originated),
		 log_num("protocol_errors", counts->protocol_errors));
}

/* A socket is opened by its absolute path. */
static bool make_absolute(const char *path, char *out, size_t size)
{
	char *here = path[0] == '/' ? NULL : get_current_dir_name();
	int n = snprintf(out, size, "%s%s%s", here ? here : "", here ? "/" : "", path);
	bool is_made = (here || path[0] == '/') && n > 0 && (size_t)n < size;

	free(here);
	if (!is_made)
		fprintf(stderr, "smscsim: --radio: %s: the path is too long\n", path);
	return is_made;
}

static int run(const struct options *options, const char *password)
{
	const struct centre_settings settings = {
		.system_id = options->system_id,
		.password = password,
		.latency_ms = options->latency_ms,
		.late_receipt_ms = options->late_receipt_ms,
		.throttle_per_s = options->throttle,
		.error_every = options->error_every,
		.error_status = options->error_status,
		.drop_receipt_every = options->drop_receipt_every,
		.repeat_receipt_every = options->repeat_receipt_every,
		.hex_ids = options->hex_ids,
		.deliver_all = options->deliver_all,
	};
	int status = EXIT_FAILURE;
	char address[32], path[PATH_MAX];

	if (!make_absolute(options->radio, path, sizeof(path)))
		return status;
	snprintf(address, sizeof(address), "127.0.0.1:%d", (int)options->port);
	int fd = listener_open(options->port >= 0 ? address : options->listen);
	if (fd < 0)
		return status;
	struct loop *loop = loop_new();
	struct centre *centre = centre_new(loop, &settings);
	struct radio *radio = radio_open(loop, path, centre);
	if (!radio)
		goto fail;
	struct listener *listener = listener_new(loop, fd, on_accept, centre);
	BUG_ON(!listener);
	loop_on_signal(loop, SIGTERM, on_stop, loop);
	loop_on_signal(loop, SIGINT, on_stop, loop);
	log_listening(fd, path);
	loop_run(loop);

	log_stopped(centre_counts(centre));
	status = centre_counts(centre)->protocol_errors > 0 ? EXIT_FAILURE
							    : EXIT_SUCCESS;
	listener_free(listener);
	radio_close(radio);
fail:
	centre_free(centre);
	close(fd);
	loop_free(loop);
	return status;
}

int main(int argc, char **argv)
{
	struct options options = {
		.listen = "127.0.0.1:2775",
		.system_id = "kannel",
		.log_level = "info",
		.port = -1,
		.error_status = 8,
	};
	char password[PASSWORD_MAX + 1];
	enum log_level level;
	if (!standard_open())
		return EXIT_FAILURE;
	int status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (!log_level_parse(slice_of(options.log_level), &level)) {
		fprintf(stderr,
			"smscsim: --log-level: %s is none of error, warn, info, "
			"debug\n",
			options.log_level);
		return EXIT_USAGE;
	}
	if (!read_password(options.password_file, password))
		return EXIT_FAILURE;
	signal(SIGPIPE, SIG_IGN);
	log_open("smscsim", level);
	return run(&options, password);
}
