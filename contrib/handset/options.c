#include "contrib/handset/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/describe.h"
#include "base/help.h"
#include "base/log.h"
#include "contrib/handset/handset_config.h"
#include "contrib/handset/script.h"

#define BIT(command) (1u << COMMAND_##command)
#define ALL \
	(BIT(INIT) | BIT(RUN) | BIT(STATUS) | BIT(MESSAGES) | BIT(FLEET) | BIT(LOAD))
#define MAKING         (BIT(INIT) | BIT(FLEET))
#define COMMAND_COLUMN 13 /* of the help */
#define OPTION_COLUMN  25

#define FIELD(member) offsetof(struct options, member)

static const struct {
	const char *name, *help;
} commands[COMMAND_N] = {
	[COMMAND_INIT] = { "init",
			   "make the storage of a new handset, with a key and a "
			   "certificate request (device.csr)" },
	[COMMAND_RUN] = { "run", "switch on, and provision" },
	[COMMAND_STATUS] = { "status", "show what is installed and activated" },
	[COMMAND_MESSAGES] = { "messages", "show the received short messages" },
	[COMMAND_FLEET] = { "fleet", "make many devices for a load, and the file to "
				     "import them with" },
	[COMMAND_LOAD] = { "load", "provision a fleet, and show how long it took" },
};

enum option_kind {
	FLAG,
	TEXT,
	NUMBER,
	PATH,  /* of the folder in which it was typed; the storage is another */
	TEXTS, /* several times */
	PATHS, /* ID=PATH, several times */
};

static const struct option {
	const char *name, *value, *help;
	enum option_kind kind;
	size_t offset;
	unsigned allowed, required; /* by command */
	uint64_t min, max, usual;   /* of a number */
} options[] = {
	{ "--dir", "DIR", "storage of the handset", TEXT, FIELD(dir), ALL, ALL },
	{ "--json", "", "print JSON on standard output, and draw no screens", FLAG,
	  FIELD(is_json), BIT(RUN) | BIT(STATUS) | BIT(MESSAGES) | BIT(LOAD), 0 },
	{ "--script", "FILE", "commands for keys and display; - is standard input",
	  PATH, FIELD(script), BIT(RUN), 0 },
	{ "--radio", "PATH", "socket of the radio for short messages", PATH,
	  FIELD(radio), MAKING | BIT(RUN), 0 },
	{ "--dev", "URN", "equipment identifier, urn:gsma:imei:...", TEXT, FIELD(dev),
	  BIT(INIT), BIT(INIT) },
	{ "--number", "+NUMBER", "telephone number", TEXT, FIELD(number), BIT(INIT),
	  BIT(INIT) },
	{ "--model", "NAME", "model", TEXT, FIELD(model), BIT(INIT), 0 },
	{ "--firmware", "VERSION", "firmware version", TEXT, FIELD(firmware), BIT(INIT),
	  0 },
	{ "--language", "TAG", "language of the terms", TEXT, FIELD(language), MAKING,
	  0 },
	{ "--gateway", "IP:PORT", "address of the gateway", TEXT, FIELD(gateway),
	  MAKING, 0 },
	{ "--gateway-name", "NAME", "name in the gateway's certificate", TEXT,
	  FIELD(gateway_name), MAKING, 0 },
	{ "--uri", "URI", "pre-stored URI of the provisioning server", TEXT, FIELD(uri),
	  MAKING, 0 },
	{ "--airnet-root", "FILE", "trust anchors of the gateway", PATH,
	  FIELD(airnet_root), MAKING, 0 },
	{ "--proof-root", "FILE", "trust anchors of the server's proofs", PATH,
	  FIELD(proof_root), MAKING, 0 },
	{ "--care-number", "+NUMBER", "number of customer care", TEXT,
	  FIELD(care_number), BIT(INIT), 0 },
	{ "--care-uri", "URI", "page of customer care", TEXT, FIELD(care_uri),
	  BIT(INIT), 0 },
	{ "--resident", "ID=PROGRAM", "a feature from the factory, to be activated",
	  PATHS, FIELD(residents), BIT(INIT), 0 },
	{ "--authority", "FILE", "certificate of who issues those of the devices", PATH,
	  FIELD(authority), BIT(FLEET), BIT(FLEET) },
	{ "--authority-key", "FILE", "its key", PATH, FIELD(authority_key), BIT(FLEET),
	  BIT(FLEET) },
	{ "--count", "N", "how many devices", NUMBER, FIELD(count),
	  BIT(FLEET) | BIT(LOAD), 0, 1, 999999, 1000 },
	{ "--first", "N", "serial of the first", NUMBER, FIELD(first),
	  BIT(FLEET) | BIT(LOAD), 0, 0, 999999, 1 },
	{ "--at-once", "N", "devices under way at a time", NUMBER, FIELD(at_once),
	  BIT(LOAD), 0, 1, 100000, 50 },
	{ "--rate", "N", "devices begun each second; 0: as many as can be", NUMBER,
	  FIELD(rate), BIT(LOAD), 0, 0, 100000, 0 },
	{ "--item", "ID", "what each asks for; else the first of the catalogue", TEXTS,
	  FIELD(items), BIT(LOAD), 0 },
	{ "--online", "", "answer over the wide band, though there is a radio", FLAG,
	  FIELD(is_online), BIT(LOAD), 0 },
};
#define OPTIONS_N (sizeof(options) / sizeof(options[0]))

/* What is answered at once, whatever else is said. */
static const struct {
	const char *name, *help;
} answers[] = {
	{ "--help", "show this help; after a command, what that takes" },
	{ "--help-config", "list the keys of " HANDSET_CONFIG_FILE },
	{ "--version", "show the version" },
};
#define ANSWERS_N (sizeof(answers) / sizeof(answers[0]))

/* ---- Help: each fits a terminal of 24 lines ---- */

static void print_row(FILE *out, int column, const char *name, const char *value,
		      const char *text)
{
	char left[40];

	snprintf(left, sizeof(left), "  %s %s", name, value);
	help_row(out, column, left, text);
}

static void print_help(FILE *out)
{
	fprintf(out, "usage: handset COMMAND --dir DIR [OPTION...]\n\n");
	for (int i = 0; i < COMMAND_N; i++)
		print_row(out, COMMAND_COLUMN, commands[i].name, "", commands[i].help);
	fprintf(out, "\n");
	for (size_t i = 0; i < ANSWERS_N; i++)
		print_row(out, OPTION_COLUMN, answers[i].name, "", answers[i].help);
	fprintf(out, "\nWhat a command takes: handset COMMAND --help\n");
}

static void print_option(FILE *out, const struct option *option, enum command command)
{
	char text[128], more[32] = "";

	if (option->required & 1u << command)
		snprintf(more, sizeof(more), " (required)");
	else if (option->kind == NUMBER)
		snprintf(more, sizeof(more), " (default %" PRIu64 ")", option->usual);
	snprintf(text, sizeof(text), "%s%s", option->help, more);
	print_row(out, OPTION_COLUMN, option->name, option->value, text);
}

static void print_command_help(FILE *out, enum command command)
{
	fprintf(out, "usage: handset %s --dir DIR [OPTION...]\n",
		commands[command].name);
	help_row(out, 0, "", commands[command].help);
	fprintf(out, "\n");
	for (size_t i = 0; i < OPTIONS_N; i++)
		if (options[i].allowed & 1u << command)
			print_option(out, &options[i], command);
	if (command != COMMAND_RUN)
		return;
	fprintf(out, "\nCommands of a script, one a line; # begins a comment:\n\n");
	script_print_help(out);
}

static void describe(FILE *out)
{
	for (int c = 0; c < COMMAND_N; c++) {
		describe_command(out, commands[c].name, NULL, commands[c].help, NULL);
		for (size_t i = 0; i < OPTIONS_N; i++)
			if (options[i].allowed & 1u << c)
				describe_option(out, commands[c].name, '\0',
						options[i].name + strlen("--"),
						options[i].value, options[i].help);
	}
	for (size_t i = 0; i < ANSWERS_N; i++)
		describe_option(out, "", '\0', answers[i].name + strlen("--"), NULL,
				answers[i].help);
	describe_config(out, &handset_config_spec);
}

/* Answer what is asked of the program itself, and end; return when it is not. */
static void answer(const char *name)
{
	if (strcmp(name, "--help") == 0)
		print_help(stdout);
	else if (strcmp(name, "--help-config") == 0)
		config_help(&handset_config_spec, stdout);
	else if (strcmp(name, "--version") == 0)
		printf("handset %s\n", PACKAGE_VERSION);
	else if (strcmp(name, "--" DESCRIBE_OPTION) == 0)
		describe(stdout);
	else
		return;
	exit(EXIT_SUCCESS);
}

static void answer_of_command(int argc, char **argv, enum command command)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			print_command_help(stdout, command);
			exit(EXIT_SUCCESS);
		}
}

static bool refuse(const char *what, const char *why)
{
	fprintf(stderr, "handset: %s: %s; see handset --help\n", what, why);
	return false;
}

static bool find_command(const char *name, enum command *out)
{
	for (int i = 0; i < COMMAND_N; i++)
		if (strcmp(name, commands[i].name) == 0) {
			*out = (enum command)i;
			return true;
		}
	return false;
}

static const struct option *find_option(const char *name, enum command command)
{
	for (size_t i = 0; i < OPTIONS_N; i++)
		if (strcmp(name, options[i].name) == 0 &&
		    options[i].allowed & 1u << command)
			return &options[i];
	return NULL;
}

/* A path, or ID=PATH, that holds wherever the process goes. */
static const char *make_absolute(const char *value)
{
	const char *equals = strchr(value, '=');
	const char *path = equals ? equals + 1 : value;
	char *here, *absolute = NULL;

	if (path[0] == '/' || strcmp(path, "-") == 0)
		return value;
	here = get_current_dir_name();
	if (here && asprintf(&absolute, "%.*s%s/%s", (int)(path - value), value, here,
			     path) < 0)
		absolute = NULL;
	free(here);
	return absolute;
}

static bool add_value(const char **list, const char *name, const char *value)
{
	for (size_t i = 0; i < OPTIONS_LIST_MAX; i++)
		if (!list[i]) {
			list[i] = value;
			return true;
		}
	return refuse(name, "too many");
}

static bool set_number(const struct option *option, const char *value, uint64_t *to)
{
	char why[80];

	if (slice_to_u64(slice_of(value), option->max, to) && *to >= option->min)
		return true;
	snprintf(why, sizeof(why), "is no number from %" PRIu64 " to %" PRIu64,
		 option->min, option->max);
	return refuse(option->name, why);
}

static bool set_option(const struct option *option, const char *value,
		       struct options *out)
{
	void *to = (char *)out + option->offset;

	if (option->kind == FLAG) {
		*(bool *)to = true;
		return true;
	}
	if (!value)
		return refuse(option->name, "needs a value");
	if (option->kind == PATHS && !strchr(value, '='))
		return refuse(value, "is not ID=PROGRAM");
	if (option->kind == PATH || option->kind == PATHS)
		value = make_absolute(value);
	if (option->kind == NUMBER)
		return set_number(option, value, to);
	if (option->kind == TEXTS || option->kind == PATHS)
		return add_value(to, option->name, value);
	*(const char **)to = value;
	return true;
}

static void set_usual_numbers(struct options *out)
{
	for (size_t i = 0; i < OPTIONS_N; i++)
		if (options[i].kind == NUMBER)
			*(uint64_t *)((char *)out + options[i].offset) =
				options[i].usual;
}

static bool check_required(enum command command, const struct options *given)
{
	for (size_t i = 0; i < OPTIONS_N; i++)
		if (options[i].required & 1u << command &&
		    !*(const char *const *)((const char *)given + options[i].offset))
			return refuse(options[i].name, "is missing");
	return true;
}

bool options_read(int argc, char **argv, enum command *command, struct options *out)
{
	const struct option *option;

	*out = (struct options){ 0 };
	set_usual_numbers(out);
	if (argc < 2)
		return refuse("command line", "a command is missing");
	answer(argv[1]);
	if (!find_command(argv[1], command))
		return refuse(argv[1], "no such command");
	answer_of_command(argc, argv, *command);
	for (int i = 2; i < argc; i++) {
		option = find_option(argv[i], *command);
		if (!option)
			return refuse(argv[i], "no such option here");
		if (!set_option(option, argv[i + 1], out))
			return false;
		i += option->kind == FLAG ? 0 : 1;
	}
	return check_required(*command, out);
}
