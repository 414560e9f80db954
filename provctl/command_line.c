#include "provctl/command_line.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/describe.h"
#include "base/help.h"

static const struct option_row {
	const char *name, *argument;
	const char *help; /* NULL: not for people */
	char letter;
	const char *member; /* of a filter; NULL: not part of it */
} option_rows[OPTION_N] = {
	[OPTION_HELP] = { "help", NULL, "show this help", 'h', NULL },
	[OPTION_HELP_CONFIG] = { "help-config", NULL,
				 "list the keys of the configuration", 0, NULL },
	[OPTION_VERSION] = { "version", NULL, "show the version", 'V', NULL },
	[OPTION_DESCRIBE] = { DESCRIBE_OPTION, NULL, NULL, 0, NULL },
	[OPTION_JSON] = { "json", NULL, "print JSON", 0, NULL },
	[OPTION_DSN] = { "dsn", "DSN", "libpq connection string", 0, NULL },
	[OPTION_CONFIG] = { "config", "FILE",
			    "the configuration; default " CONFIG_PATH_DEFAULT, 'c',
			    NULL },
	[OPTION_SQL_DIR] = { "sql-dir", "DIR", "folder of the migrations", 0, NULL },
	[OPTION_DEV] = { "dev", "DEV", "only of this device", 0, "dev" },
	[OPTION_STATE] = { "state", "STATES", "only in these, with commas", 0,
			   "state" },
	[OPTION_REASON] = { "reason", "TEXT", "a reason code, or words", 0, "reason" },
	[OPTION_REQUEST] = { "request", "ID", "only of this request", 0, "request" },
	[OPTION_LIMIT] = { "limit", "N", "at most so many", 0, "limit" },
	[OPTION_FOLLOW] = { "follow", NULL, "go on with what comes, until Ctrl-C", 'f',
			    NULL },
	[OPTION_WATCH] = { "watch", NULL,
			   "show it anew every two seconds, until Ctrl-C", 'w', NULL },
	[OPTION_NUMBER] = { "number", NULL,
			    "the whole number; an event tells who asked", 0, NULL },
	[OPTION_CANCEL] = { "cancel", NULL, "cancel the requests that are open", 0,
			    NULL },
	[OPTION_YES] = { "yes", NULL, "do not ask first", 'y', NULL },
	[OPTION_SERVER] = { "server", "FILE", "configuration of provbox-server", 0,
			    NULL },
	[OPTION_SMSC] = { "smsc", "FILE", "configuration of provbox-smsc", 0, NULL },
	[OPTION_GATEWAY] = { "gateway", "FILE", "configuration of provbox-gateway", 0,
			     NULL },
	[OPTION_KANNEL] = { "kannel", "FILE", "configuration of bearerbox", 0, NULL },
};

#define OPTIONS_OF_ALL (OPTION(HELP) | OPTION(JSON) | OPTION(DSN) | OPTION(CONFIG))
/* They need no command. */
#define OPTIONS_ALONE (OPTION(HELP_CONFIG) | OPTION(VERSION) | OPTION(DESCRIBE))

/* ---- Help ---- */

static void print_usage(FILE *out, const struct command *command)
{
	fprintf(out, "%s%s%s", command->words, command->arguments ? " " : "",
		command->arguments ? command->arguments : "");
}

/* One row of help: an option as it is typed, and what it does. */
static void print_option(const struct option_row *row)
{
	char left[40];

	snprintf(left, sizeof(left), "  %c%c%c --%s%s%s", row->letter ? '-' : ' ',
		 row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
		 row->argument ? " " : "", row->argument ? row->argument : "");
	help_row(stdout, 25, left, row->help);
}

static struct slice noun_of(const struct command *command)
{
	struct slice rest = slice_of(command->words), noun;
	slice_next(&rest, ' ', &noun);
	return noun;
}

/* Length of the next word of a command line; what is quoted is part of one. */
static size_t length_of_word(const char *text)
{
	bool is_quoted = false;
	size_t n = 0;

	for (; text[n] && (is_quoted || text[n] != ' '); n++)
		is_quoted ^= text[n] == '\'';
	return n;
}

/* As it is typed; where it is wider than a terminal, on lines that go on. */
static void print_example(const char *example)
{
	int at = 1;

	printf("\nFor example:\n ");
	for (size_t n; *example; example += n + strspn(example + n, " ")) {
		n = length_of_word(example);
		/* Room for " \\" behind it, though the last needs none. */
		if (at + 1 + (int)n > HELP_COLUMNS - 2) {
			printf(" \\\n     ");
			at = 5;
		}
		at += printf(" %.*s", (int)n, example);
	}
	puts("");
}

static void help_command(const struct command *command)
{
	printf("usage: provctl ");
	print_usage(stdout, command);
	printf(" [options]\n");
	help_row(stdout, 0, "", command->help);
	puts("");
	for (size_t i = 0; i < OPTION_N; i++)
		if ((command->options | OPTIONS_OF_ALL) & 1U << i)
			print_option(&option_rows[i]);
	print_example(command->example);
}

/* The commands of one noun; false when there are none. */
static bool help_noun(struct slice noun)
{
	bool is_known = false;

	for (size_t i = 0; i < n_commands; i++) {
		if (!slice_eq(noun_of(&commands[i]), noun))
			continue;
		if (!is_known)
			printf("usage: provctl %.*s COMMAND [options]; options: "
			       "COMMAND --help\n",
			       (int)noun.n, noun.p);
		is_known = true;
		char left[64];
		const char *arguments = commands[i].arguments;
		snprintf(left, sizeof(left), "  %s%s%s", commands[i].words,
			 arguments ? " " : "", arguments ? arguments : "");
		help_row(stdout, 29, left, commands[i].help);
	}
	return is_known;
}

/* One line for each noun with its verbs; what a noun alone does is said there. */
static void help_nouns(void)
{
	puts("usage: provctl NOUN [VERB] [options]; what they do: provctl NOUN --help");
	for (size_t i = 0; i < n_commands;) {
		struct slice noun = noun_of(&commands[i]);
		int width = printf("  %.*s", (int)noun.n, noun.p);
		printf("%*s", 12 - width, "");
		if (strlen(commands[i].words) == noun.n)
			printf(" %s", commands[i].help);
		for (; i < n_commands && slice_eq(noun_of(&commands[i]), noun); i++)
			printf("%s", commands[i].words + noun.n);
		puts("");
	}
	puts("The configuration, unless -c names another: " CONFIG_PATH_DEFAULT "\n"
	     "Its keys: --help-config. --json prints JSON; --watch shows it anew; "
	     "--version.");
	help_row(stdout, 0, "",
		 "Exit status: 0 done, 1 failed, 2 wrong usage, 69 database "
		 "away, 78 wrong configuration.");
}

void command_line_help(const struct command *command, const char *noun)
{
	if (command)
		help_command(command);
	else if (!noun || !help_noun(slice_of(noun)))
		help_nouns();
}

void command_line_describe(FILE *out)
{
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *command = &commands[i];
		describe_command(out, command->words, command->arguments, command->help,
				 command->example);
		for (size_t k = 0; k < OPTION_N; k++)
			if (command->options & 1U << k)
				describe_option(
					out, command->words, option_rows[k].letter,
					option_rows[k].name, option_rows[k].argument,
					option_rows[k].help);
	}
	for (size_t k = 0; k < OPTION_N; k++)
		if ((OPTIONS_OF_ALL | OPTIONS_ALONE) & 1U << k && option_rows[k].help)
			describe_option(out, "", option_rows[k].letter,
					option_rows[k].name, option_rows[k].argument,
					option_rows[k].help);
}

/* ---- Options and words ---- */

static enum option_id option_find(struct slice name)
{
	for (size_t i = 0; i < OPTION_N; i++) {
		const struct option_row *row = &option_rows[i];
		if (name.n == 2 && name.p[0] == '-' && name.p[1] == row->letter)
			return (enum option_id)i;
		if (name.n > 2 && slice_starts(name, SLICE("--")) &&
		    slice_eq(slice_make(name.p + 2, name.n - 2), slice_of(row->name)))
			return (enum option_id)i;
	}
	return OPTION_N;
}

/* Take one option and its value; returns how many arguments they were, 0 on failure. */
static int option_take(struct context *ctx, char **argv, int left)
{
	struct slice rest = slice_of(argv[0]), name;
	bool has_value = slice_next(&rest, '=', &name) && rest.p;
	enum option_id id = option_find(name);

	if (id == OPTION_N) {
		complain("no such option: %s; see provctl --help", argv[0]);
		return 0;
	}
	if (!option_rows[id].argument) {
		ctx->options[id] = "";
		if (has_value)
			complain("--%s takes no value: leave =%s out",
				 option_rows[id].name, rest.p);
		return !has_value;
	}
	if (!has_value && left < 2) {
		complain("--%s needs a value: --%s %s", option_rows[id].name,
			 option_rows[id].name, option_rows[id].argument);
		return 0;
	}
	ctx->options[id] = has_value ? rest.p : argv[1];
	return has_value ? 1 : 2;
}

/* How many words of the command line are the command's own; 0: it is not this one. */
static size_t words_matched(const struct command *command, char **words, size_t n)
{
	struct slice rest = slice_of(command->words), word;
	size_t matched = 0;
	while (slice_next(&rest, ' ', &word)) {
		if (matched == n || !slice_eq(word, slice_of(words[matched])))
			return 0;
		matched++;
	}
	return matched;
}

static bool command_find(struct context *ctx, char **words, size_t n)
{
	for (size_t i = 0; i < n_commands; i++) {
		size_t matched = words_matched(&commands[i], words, n);
		if (matched == 0)
			continue;
		ctx->command = &commands[i];
		for (size_t k = matched; k < n; k++, ctx->n_words++)
			if (ctx->n_words < sizeof(ctx->words) / sizeof(ctx->words[0]))
				ctx->words[ctx->n_words] = words[k];
		return true;
	}
	return false;
}

/* There is no such command: name those that begin as this one does. */
static void complain_of_command(char **words, size_t n)
{
	bool is_begun = false;

	for (size_t i = 0; n > 0 && i < n_commands; i++) {
		if (!slice_eq(noun_of(&commands[i]), slice_of(words[0])))
			continue;
		if (!is_begun && n == 1)
			complain("what to do with %s is missing; there is", words[0]);
		else if (!is_begun)
			complain("no such command: %s %s; there is", words[0],
				 words[1]);
		fputs("  provctl ", stderr);
		print_usage(stderr, &commands[i]);
		fputc('\n', stderr);
		is_begun = true;
	}
	if (n == 0)
		complain("a command is missing; see provctl --help");
	else if (!is_begun)
		complain("no such command: %s; see provctl --help", words[0]);
}

/* # is a digit, x a hex digit in lower case. */
static bool is_like(const char *text, const char *shape)
{
	for (; *shape; text++, shape++) {
		bool is_digit = *text >= '0' && *text <= '9';
		bool is_hex = is_digit || (*text >= 'a' && *text <= 'f');
		if (*shape == '#'   ? !is_digit
		    : *shape == 'x' ? !is_hex
				    : *text != *shape)
			return false;
	}
	return *text == '\0';
}

/* As the schema has them: 003_device.sql. */
static bool check_dev(const char *text)
{
	if (is_like(text, "urn:gsma:imei:########-######-0") ||
	    is_like(text, "urn:device-id:meid:xxxxxxxxxxxxxx"))
		return true;
	complain("no identifier of a device: %s; it is urn:gsma:imei:TTTTTTTT-SSSSSS-0 "
		 "or urn:device-id:meid:HHHHHHHHHHHHHH",
		 text);
	return false;
}

/* Those that a device is named by. */
static bool check_devs(const struct context *ctx)
{
	struct slice rest = slice_of(ctx->command->arguments), first;
	bool is_dev = slice_next(&rest, ' ', &first) && slice_eq(first, SLICE("DEV"));
	const char *option = ctx->options[OPTION_DEV];

	return (!is_dev || check_dev(ctx->words[0])) && (!option || check_dev(option));
}

/* A version of the catalogue, where the command takes one. */
static bool check_version(const struct context *ctx)
{
	const char *arguments = ctx->command->arguments;
	uint64_t version;

	if (!arguments || strcmp(arguments, "[VERSION]") != 0 || ctx->n_words == 0 ||
	    slice_to_u64(slice_of(ctx->words[0]), INT32_MAX, &version))
		return true;
	complain("no version of the catalogue: %s; it is a number of provctl catalogue "
		 "list",
		 ctx->words[0]);
	return false;
}

static void complain_of_words(const struct context *ctx)
{
	const struct command *command = ctx->command;

	complain("%s: %s; usage: provctl %s%s%s", command->words,
		 ctx->n_words < command->min_words ? "something is missing"
						   : "that is too much",
		 command->words, command->arguments ? " " : "",
		 command->arguments ? command->arguments : "");
}

enum result command_line_read(struct context *ctx, int argc, char **argv)
{
	char **words = argv; /* what is no option moves to the front */
	size_t n = 0;

	for (int i = 1, taken; i < argc; i += taken) {
		/* A number below zero is a wrong value, and no option. */
		bool is_option = argv[i][0] == '-' && argv[i][1] != '\0' &&
				 !(argv[i][1] >= '0' && argv[i][1] <= '9');
		taken = is_option ? option_take(ctx, argv + i, argc - i) : 1;
		if (taken == 0)
			return RESULT_USAGE;
		if (!is_option)
			words[n++] = argv[i];
	}
	ctx->noun = n > 0 ? words[0] : NULL;
	bool is_found = command_find(ctx, words, n);
	for (size_t i = 0; i < OPTION_N; i++)
		if (ctx->options[i] && (OPTIONS_ALONE | OPTION(HELP)) & 1U << i)
			return RESULT_OK;
	if (!is_found) {
		complain_of_command(words, n);
		return RESULT_USAGE;
	}
	for (size_t i = 0; i < OPTION_N; i++) {
		if (!ctx->options[i] ||
		    (ctx->command->options | OPTIONS_OF_ALL) & 1U << i)
			continue;
		complain("%s takes no --%s; see provctl %s --help", ctx->command->words,
			 option_rows[i].name, ctx->command->words);
		return RESULT_USAGE;
	}
	if (ctx->n_words < ctx->command->min_words ||
	    ctx->n_words > ctx->command->max_words) {
		complain_of_words(ctx);
		return RESULT_USAGE;
	}
	return check_devs(ctx) && check_version(ctx) ? RESULT_OK : RESULT_USAGE;
}

/* ---- Filter ---- */

/* A member of the filter; NULL when the value is none: it is never left out instead. */
static json_t *filter_value(enum option_id id, const char *value)
{
	uint64_t limit;

	if (id == OPTION_LIMIT) {
		if (slice_to_u64(slice_of(value), 1000000, &limit))
			return json_integer((json_int_t)limit);
		complain("--limit is not a number up to 1000000: %s", value);
		return NULL;
	}
	if (id == OPTION_REQUEST && !uuid_is_valid(slice_of(value))) {
		complain("--request: %s is no id, a UUID in lower case; see provctl "
			 "request list",
			 value);
		return NULL;
	}
	json_t *text = json_string(value);
	if (!text)
		complain("--%s is not UTF-8", option_rows[id].name);
	return text;
}

const char *command_line_filter(struct context *ctx)
{
	json_t *object = json_object();
	const char *copy = NULL;

	for (size_t i = 0; i < OPTION_N; i++) {
		if (!ctx->options[i] || !option_rows[i].member)
			continue;
		json_t *value = filter_value((enum option_id)i, ctx->options[i]);
		if (!value)
			goto out;
		json_object_set_new(object, option_rows[i].member, value);
	}
	char *text = json_dumps(object, 0);
	copy = arena_string(ctx->arena, slice_of(text));
	free(text);
out:
	json_decref(object);
	return copy;
}
