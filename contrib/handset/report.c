#include "contrib/handset/report.h"

#include <stdlib.h>

#include "base/log.h"
#include "contrib/handset/deliver.h"

static void print(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	puts(text);
	free(text);
}

/* First line of what a program says, or NULL when it does not work. */
static json_t *ask(const char *program, const char *option, const char *file,
		   int64_t deadline_ms)
{
	const char *arguments[] = { program, option, file, NULL };
	char output[PROGRAM_OUTPUT_BYTES];
	struct program_result result;

	if (!program_run_blocking(arguments, deadline_ms, &result, output) ||
	    !result.has_ended || result.exit_status != 0)
		return json_null();
	return json_stringn(result.output.p, result.output.n);
}

struct context {
	const struct handset_config *config;
	json_t *list;
};

/* {id, version, kind, sha256, path, says}; says is the answer of the program itself. */
static void add_feature(void *arg, const char *id)
{
	struct context *context = arg;
	char path[STORAGE_PATH_BYTES], digest[2 * SHA256_BYTES + 1];
	struct install_item item;
	json_t *json;

	if (!install_current(id, &item) || !install_current_path(&item, path))
		return;
	hex_encode(slice_make(item.sha256, SHA256_BYTES), digest);
	json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", item.id, "version",
			 item.version, "kind", install_kind_name(item.kind), "sha256",
			 digest, "path", path);
	if (item.kind == INSTALL_MODULE)
		json_object_set_new(
			json, "says",
			ask(path, "--version", NULL, context->config->test_limit_ms));
	json_array_append_new(context->list, json);
}

/* {id, version, status}; without an activation the program is asked without one. */
static void add_resident(void *arg, const char *id)
{
	struct context *context = arg;
	int64_t limit_ms = context->config->test_limit_ms;
	char program[STORAGE_PATH_BYTES], file[STORAGE_PATH_BYTES];
	struct install_item item;
	bool has_activation = install_current(id, &item) &&
			      item.kind == INSTALL_ACTIVATION &&
			      install_current_path(&item, file);

	if (storage_path(program, DELIVER_RESIDENT_FORMAT, id))
		json_array_append_new(
			context->list,
			json_pack("{s:s, s:o, s:o}", "id", id, "says",
				  ask(program, "--version", NULL, limit_ms), "status",
				  ask(program, "--status", has_activation ? file : NULL,
				      limit_ms)));
}

static json_t *collect(const char *folder, void (*add)(void *arg, const char *id),
		       const struct handset_config *config)
{
	struct context context = { config, json_array() };

	storage_each(folder, add, &context);
	return context.list;
}

static const char *text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text ? text : "-";
}

static void print_status(const json_t *status)
{
	const json_t *feature;
	size_t i;

	printf("%s, %s\n", text_of(status, "device"), text_of(status, "number"));
	json_array_foreach (json_object_get(status, "features"), i, feature)
		printf("feature  %s %s (%s): %s\n", text_of(feature, "id"),
		       text_of(feature, "version"), text_of(feature, "kind"),
		       text_of(feature, "says"));
	json_array_foreach (json_object_get(status, "resident"), i, feature)
		printf("resident %s (%s): %s\n", text_of(feature, "id"),
		       text_of(feature, "says"), text_of(feature, "status"));
	printf("open request %s\n", text_of(status, "request"));
	printf("messages %zu\n", messages_count());
}

int report_status(const struct handset_config *config, bool is_json)
{
	struct journal journal = { .body = NULL };
	bool is_open = journal_read(&journal);
	json_t *status = json_pack(
		"{s:s, s:s, s:o, s:o, s:s?, s:I}", "device", config->device, "number",
		config->number, "features", collect("features", add_feature, config),
		"resident", collect("resident", add_resident, config), "request",
		is_open ? journal.id : NULL, "messages", (json_int_t)messages_count());

	if (is_json)
		print(status);
	else
		print_status(status);
	json_decref(status);
	free(journal.body);
	return outcome_exit_status(OUTCOME_DONE);
}

int report_messages(bool is_json)
{
	json_t *list = messages_list();
	const json_t *message;
	size_t i;

	if (is_json)
		print(list);
	else
		json_array_foreach (list, i, message)
			printf("%lld from %s (%s, parts: %lld)\n%s\n\n",
			       json_integer_value(json_object_get(message, "n")),
			       text_of(message, "from"), text_of(message, "encoding"),
			       json_integer_value(json_object_get(message, "parts")),
			       text_of(message, "text"));
	json_decref(list);
	return outcome_exit_status(OUTCOME_DONE);
}

void report_run(const struct handset *handset, enum outcome outcome)
{
	const struct request *request = &handset->request;
	json_t *items = json_array();
	json_t *summary;

	for (size_t i = 0; i < request->n; i++) {
		const struct request_item *item = &request->items[i];

		json_array_append_new(
			items, json_pack("{s:s, s:s, s:s, s:s?}", "id", item->what.id,
					 "version", item->what.version, "state",
					 item_state_name(item->state), "reason",
					 item->reason[0] ? item->reason : NULL));
	}
	summary = json_pack(
		"{s:s, s:i, s:s, s:s?, s:s, s:s?, s:o, s:I}", "outcome",
		outcome_name(outcome), "exit", outcome_exit_status(outcome), "state",
		state_name(handset->state), "reason",
		handset->reason[0] ? handset->reason : NULL, "words",
		words_sentence(slice_of(handset->reason[0] ? handset->reason : "none")),
		"request", request->id[0] ? request->id : NULL, "items", items,
		"messages", (json_int_t)messages_count());
	print(summary);
	json_decref(summary);
}
