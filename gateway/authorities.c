#include "gateway/authorities.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/tls.h"

static struct authority_prefixes prefixes_of(const struct config_list *list)
{
	return (struct authority_prefixes){ (const char *const *)list->items, list->n };
}

static bool read_section(const struct authority_config *section, struct authority *out)
{
	out->may[AUTHORITY_IMEI] = prefixes_of(&section->imei);
	out->may[AUTHORITY_MEID] = prefixes_of(&section->meid);
	return tls_spki_hash_of_file(section->certificate, out->spki);
}

static bool check_section(const struct authority_config *section,
			  struct authority *authority, FILE *errors)
{
	if (!read_section(section, authority)) {
		fprintf(errors, "authority \"%s\": %s holds no PEM certificate\n",
			section->title, section->certificate);
		return false;
	}
	if (section->imei.n + section->meid.n == 0) {
		fprintf(errors,
			"authority \"%s\": may assert nothing; say what with imei or "
			"meid\n",
			section->title);
		return false;
	}
	char block[512];
	snprintf(block, sizeof(block), "authority \"%s\"", section->title);
	return authority_check_prefixes(block, authority->may, errors);
}

/* Two rules for one CA would both have to allow what is asserted: nobody means that. */
static bool check_once(const struct authority_config *sections,
		       const struct authority *authorities, size_t i, FILE *errors)
{
	for (size_t j = 0; j < i; j++) {
		if (memcmp(authorities[i].spki, authorities[j].spki, SHA256_BYTES) != 0)
			continue;
		fprintf(errors,
			"authority \"%s\": its certificate has the key of authority "
			"\"%s\"; write one section for it\n",
			sections[i].title, sections[j].title);
		return false;
	}
	return true;
}

bool authorities_check(const struct gateway_config *config, FILE *errors)
{
	const struct authority_config *sections = config->authorities.items;
	size_t n = config->authorities.n;
	struct authority *authorities = calloc(n + 1, sizeof(*authorities));
	bool is_good = true;

	BUG_ON(!authorities);
	for (size_t i = 0; i < n; i++)
		is_good &= check_section(&sections[i], &authorities[i], errors) &&
			   check_once(sections, authorities, i, errors);
	free(authorities);
	return is_good;
}

/* Each was read when the configuration was checked; the file may have gone since. */
struct authority *authorities_load(const struct gateway_config *config)
{
	const struct authority_config *sections = config->authorities.items;
	size_t n = config->authorities.n;
	struct authority *authorities = calloc(n + 1, sizeof(*authorities));

	BUG_ON(!authorities);
	for (size_t i = 0; i < n; i++) {
		if (read_section(&sections[i], &authorities[i]))
			continue;
		char key[128];
		snprintf(key, sizeof(key), "authority \"%.64s\": certificate",
			 sections[i].title);
		config_log_error(key, "cannot be read");
		free(authorities);
		return NULL;
	}
	return authorities;
}
