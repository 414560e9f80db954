#include "base/describe.h"

#include <string.h>

#include "base/config_value.h"
#include "base/log.h"

/* Fields up to a NULL at the end; one that is NULL itself must be told as "". */
static void write_line(FILE *out, const char *const *fields)
{
	for (size_t i = 0; fields[i]; i++) {
		BUG_ON(strpbrk(fields[i], "\t\n") != NULL);
		fprintf(out, "%s%s", i > 0 ? "\t" : "", fields[i]);
	}
	fputc('\n', out);
}

#define LINE(out, ...) write_line((out), (const char *const[]){ __VA_ARGS__, NULL })

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

void describe_command(FILE *out, const char *words, const char *arguments,
		      const char *help, const char *example)
{
	LINE(out, "command", words, or_empty(arguments), help, or_empty(example));
}

void describe_option(FILE *out, const char *words, char letter, const char *name,
		     const char *argument, const char *help)
{
	const char letters[] = { letter, '\0' };

	LINE(out, "option", words, letters, name, or_empty(argument), help);
}

/* A bound as it would stand in the file: 10ms, 64k. */
static void write_bound(const struct config_key *key, int64_t bound, char *text,
			size_t size)
{
	const struct config_key scalar = { .type = config_value_is_list(key->type)
							   ? CONFIG_NUMBER
							   : key->type };
	FILE *out = fmemopen(text, size, "w");

	BUG_ON(!out);
	config_value_write(&scalar, &bound, out);
	fclose(out);
}

static void describe_key(FILE *out, const char *section, const struct config_key *key)
{
	const char *need = "default";
	char min[32] = "", max[32] = "";

	if (!key->fallback)
		need = "required";
	else if (!key->fallback[0])
		need = "optional";
	if (key->min != 0 || key->max != 0) {
		write_bound(key, key->min, min, sizeof(min));
		write_bound(key, key->max, max, sizeof(max));
	}
	LINE(out, "key", section, key->name, config_value_type(key->type), need,
	     or_empty(key->fallback), min, max, key->help);
}

void describe_config(FILE *out, const struct config_spec *spec)
{
	for (size_t i = 0; i < spec->n_sections; i++) {
		const struct config_section *section = &spec->sections[i];
		const char *name = or_empty(section->name);

		LINE(out, "section", name, or_empty(section->help));
		for (size_t k = 0; k < section->n_keys; k++)
			describe_key(out, name, &section->keys[k]);
	}
}
