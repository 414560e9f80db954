#include "contrib/handset/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "contrib/handset/script.h"

#define BIT(command)  (1u << COMMAND_##command)
#define ALL           (BIT(INIT) | BIT(RUN) | BIT(STATUS) | BIT(MESSAGES))
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
};

enum option_kind {
	FLAG,
	TEXT,
	PATH,     /* of the folder in which it was typed; the storage is another */
	RESIDENT, /* ID=PATH, several times */
};

static const struct option {
	const char *name, *value, *help;
	enum option_kind kind;
	size_t offset;
	unsigned allowed, required; /* by command */
} options[] = {
	{ "--dir", "DIR", "storage of the handset", TEXT, FIELD(dir), ALL, ALL },
	{ "--json", "", "print JSON on standard output, and draw no screens", FLAG,
	  FIELD(is_json), BIT(RUN) | BIT(STATUS) | BIT(MESSAGES), 0 },
	{ "--script", "FILE", "commands for keys and display; - is standard input",
	  PATH, FIELD(script), BIT(RUN), 0 },
	{ "--radio", "PATH", "socket of the radio for short messages", PATH,
	  FIELD(radio), BIT(INIT) | BIT(RUN), 0 },
	{ "--dev", "URN", "equipment identifier, urn:gsma:imei:...", TEXT, FIELD(dev),
	  BIT(INIT), BIT(INIT) },
	{ "--number", "+NUMBER", "telephone number", TEXT, FIELD(number), BIT(INIT),
	  BIT(INIT) },
	{ "--model", "NAME", "model", TEXT, FIELD(model), BIT(INIT), 0 },
	{ "--firmware", "VERSION", "firmware version", TEXT, FIELD(firmware), BIT(INIT),
	  0 },
	{ "--language", "TAG", "language of the terms", TEXT, FIELD(language),
	  BIT(INIT), 0 },
	{ "--gateway", "IP:PORT", "address of the gateway", TEXT, FIELD(gateway),
	  BIT(INIT), 0 },
	{ "--gateway-name", "NAME", "name in the gateway's certificate", TEXT,
	  FIELD(gateway_name), BIT(INIT), 0 },
	{ "--uri", "URI", "pre-stored URI of the provisioning server", TEXT, FIELD(uri),
	  BIT(INIT), 0 },
	{ "--airnet-root", "FILE", "trust anchors of the gateway", PATH,
	  FIELD(airnet_root), BIT(INIT), 0 },
	{ "--proof-root", "FILE", "trust anchors of the server's proofs", PATH,
	  FIELD(proof_root), BIT(INIT), 0 },
	{ "--care-number", "+NUMBER", "number of customer care", TEXT,
	  FIELD(care_number), BIT(INIT), 0 },
	{ "--care-uri", "URI", "page of customer care", TEXT, FIELD(care_uri),
	  BIT(INIT), 0 },
	{ "--resident", "ID=PROGRAM", "a feature from the factory, to be activated",
	  RESIDENT, FIELD(residents), BIT(INIT), 0 },
};
#define OPTIONS_N (sizeof(options) / sizeof(options[0]))

static void print_help(FILE *out)
{
	fprintf(out, "usage: handset COMMAND --dir DIR [OPTION...]\n\n");
	for (int i = 0; i < COMMAND_N; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\n");
	for (size_t i = 0; i < OPTIONS_N; i++) {
		fprintf(out, "  %-14s %-11s %s (", options[i].name, options[i].value,
			options[i].help);
		for (int c = 0, n = 0; c < COMMAND_N; c++)
			if (options[i].allowed & 1u << c)
				fprintf(out, "%s%s", n++ > 0 ? ", " : "",
					commands[c].name);
		fprintf(out, ")\n");
	}
	fprintf(out, "\nCommands of a script, one a line; # begins a comment:\n\n");
	script_print_help(out);
}

static bool complain(const char *what, const char *why)
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

static bool add_resident(struct options *out, const char *value)
{
	for (size_t i = 0; i < OPTIONS_RESIDENTS; i++)
		if (!out->residents[i]) {
			out->residents[i] = value;
			return true;
		}
	return complain("--resident", "too many");
}

static bool set_option(const struct option *option, const char *value,
		       struct options *out)
{
	void *to = (char *)out + option->offset;

	if (option->kind == FLAG) {
		*(bool *)to = true;
		return true;
	}
	if (value && option->kind != TEXT)
		value = make_absolute(value);
	if (!value)
		return complain(option->name, "needs a value");
	if (option->kind == RESIDENT)
		return add_resident(out, value);
	*(const char **)to = value;
	return true;
}

static bool check_required(enum command command, const struct options *given)
{
	for (size_t i = 0; i < OPTIONS_N; i++)
		if (options[i].required & 1u << command &&
		    !*(const char *const *)((const char *)given + options[i].offset))
			return complain(options[i].name, "is missing");
	return true;
}

bool options_read(int argc, char **argv, enum command *command, struct options *out)
{
	const struct option *option;

	*out = (struct options){ 0 };
	if (argc < 2)
		return complain("command line", "a command is missing");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") != 0)
			continue;
		print_help(stdout);
		exit(EXIT_SUCCESS);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("handset %s\n", PACKAGE_VERSION);
		exit(EXIT_SUCCESS);
	}
	if (!find_command(argv[1], command))
		return complain(argv[1], "no such command");
	for (int i = 2; i < argc; i++) {
		option = find_option(argv[i], *command);
		if (!option)
			return complain(argv[i], "no such option here");
		if (!set_option(option, argv[i + 1], out))
			return false;
		i += option->kind == FLAG ? 0 : 1;
	}
	return check_required(*command, out);
}
