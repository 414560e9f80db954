/*
 * handset: a mobile device in software, with its provisioning application.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/standard.h"
#include "contrib/handset/complain.h"
#include "contrib/handset/factory.h"
#include "contrib/handset/load.h"
#include "contrib/handset/load_fleet.h"
#include "contrib/handset/options.h"
#include "contrib/handset/report.h"
#include "contrib/handset/script.h"

#define LOG_FILE "handset.log" /* in the storage */

/* Everything of one run. */
struct run {
	const struct options *options;
	struct loop *loop;
	struct handset *handset;
	struct script *script; /* one of the two, or none */
	struct keypad *keypad;
};

static void on_change(void *arg)
{
	struct run *run = arg;
	enum state state = run->handset->state;

	if (run->script)
		script_poke(run->script);
	else if (!run->keypad && (state_is_final(state) || state == STATE_CHOOSING))
		/* Nobody is there to press a key. */
		handset_power_off(run->handset);
}

static void on_key(void *arg, enum key key)
{
	handset_press(((struct run *)arg)->handset, key);
}

static void on_text(void *arg, struct slice character)
{
	struct handset *handset = ((struct run *)arg)->handset;
	enum form_field field = (enum form_field)screens_field(handset);
	char value[REQUEST_NAME_BYTES + 8];
	size_t n = strlen(handset->form.values[field]);

	memcpy(value, handset->form.values[field], n);
	if (character.n > 0)
		memcpy(value + n, character.p, character.n);
	else
		/* Erase a whole character: its last byte and those that lead to it. */
		while (n > 0 && ((unsigned char)value[--n] & 0xc0) == 0x80)
			;
	handset_type(handset, field, slice_make(value, n + character.n));
}

static bool wants_text(void *arg)
{
	return screens_want_text(((struct run *)arg)->handset);
}

static void on_end(void *arg)
{
	handset_power_off(((struct run *)arg)->handset);
}

static bool open_script(struct run *run)
{
	const char *path = run->options->script;
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
					: open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return complain(path, strerror(errno));
	run->script = script_new(run->loop, run->handset, fd);
	return true;
}

/* A person looks at it: one screen in one place, and the log in a file. */
static void open_screen(struct run *run)
{
	int fd = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0) {
		log_warn("log_file", log_str("path", LOG_FILE),
			 log_str("why", strerror(errno)));
		return;
	}
	dup2(fd, STDERR_FILENO);
	close(fd);
	run->handset->footer = keypad_help();
}

static void open_keypad(struct run *run)
{
	struct keypad_owner owner = { .on_key = on_key,
				      .on_text = on_text,
				      .wants_text = wants_text,
				      .on_end = on_end,
				      .arg = run };

	run->keypad = keypad_open(run->loop, STDIN_FILENO, &owner);
	if (!run->keypad)
		return;
	if (run->handset->display && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO))
		open_screen(run);
	else
		printf("%s", keypad_help());
}

static enum outcome outcome_of(const struct run *run)
{
	const char *reason = run->handset->reason;

	if (script_has_failed(run->script))
		return OUTCOME_SCRIPT;
	return words_outcome(slice_of(reason[0] ? reason : "none"));
}

/* Switch on, be used, switch off. */
static enum outcome use(struct run *run, const struct handset_config *config)
{
	char why[256];

	run->handset = handset_new(run->loop, config, why, sizeof(why));
	if (!run->handset) {
		complain(run->options->dir, why);
		return OUTCOME_CONFIG;
	}
	run->handset->on_change = on_change;
	run->handset->arg = run;
	run->handset->display = run->options->is_json ? NULL : stdout;
	if (run->options->script && !open_script(run))
		return OUTCOME_USAGE;
	if (!run->options->script)
		open_keypad(run);
	loop_on_signal(run->loop, SIGTERM, on_end, run);
	loop_on_signal(run->loop, SIGINT, on_end, run);
	handset_power_on(run->handset);
	loop_run(run->loop);
	if (run->options->is_json)
		report_run(run->handset, outcome_of(run));
	return outcome_of(run);
}

static int run_handset(const struct options *options,
		       const struct handset_config *from_file)
{
	struct handset_config config = *from_file;
	struct run run = { .options = options, .loop = loop_new() };
	enum outcome outcome;

	if (options->radio)
		config.radio = (char *)options->radio;
	install_recover();
	outcome = use(&run, &config);
	log_info("off", log_str("outcome", outcome_name(outcome)),
		 log_num("exit", outcome_exit_status(outcome)));
	keypad_close(run.keypad);
	script_free(run.script);
	handset_free(run.handset);
	loop_free(run.loop);
	return outcome_exit_status(outcome);
}

/* The commands for a handset that is there. */
static int do_command(enum command command, const struct options *options)
{
	char why[256];
	bool ok = command == COMMAND_RUN ? storage_open(options->dir, why, sizeof(why))
					 : storage_look(options->dir, why, sizeof(why));
	struct config *config;
	int status;

	if (!ok) {
		fprintf(stderr, "handset: %s: %s; see --dir\n", options->dir, why);
		return outcome_exit_status(OUTCOME_FAILED);
	}
	config = handset_config_read();
	if (!config && access(HANDSET_CONFIG_FILE, F_OK) != 0)
		complain(options->dir, "is no handset; make one with handset init");
	if (!config)
		return outcome_exit_status(OUTCOME_CONFIG);
	if (command == COMMAND_RUN)
		status = run_handset(options, config_get(config));
	else if (command == COMMAND_STATUS)
		status = report_status(config_get(config), options->is_json);
	else
		status = report_messages(options->is_json);
	config_free(config);
	return status;
}

static int run_command(enum command command, const struct options *options)
{
	switch (command) {
	case COMMAND_INIT: return factory_make(options);
	case COMMAND_FLEET: return load_fleet_make(options);
	case COMMAND_LOAD: return load_run(options);
	default: return do_command(command, options);
	}
}

int main(int argc, char **argv)
{
	static struct options options;
	enum command command;

	if (!standard_open())
		return outcome_exit_status(OUTCOME_FAILED);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	if (!options_read(argc, argv, &command, &options))
		return outcome_exit_status(OUTCOME_USAGE);
	/* A load counts its failures; a line for each would hide the sums. */
	log_open("handset", command == COMMAND_LOAD ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO);
	int status = run_command(command, &options);
	if (standard_flush())
		return status;
	complain("standard output", strerror(errno));
	return outcome_exit_status(OUTCOME_FAILED);
}
