#include "base/dsn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/stat.h>

/* More than libpq has keywords; checked below. */
#define KEYWORDS_MAX 64

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val ? options->val : "";
	return "";
}

static bool is_host_safe(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	if (host.n == 0 || host.p[0] == '/' || host.p[0] == '@')
		return true;
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return inet_pton(AF_INET, text, &address) == 1 ||
	       inet_pton(AF_INET6, text, &address) == 1;
}

static const char *problem(const PQconninfoOption *options)
{
	if (*option(options, "password"))
		return "holds a password; name a passfile of mode 0600 instead";
	if (*option(options, "service"))
		return "names a service file; write its settings here";
	const char *passfile = option(options, "passfile");
	struct stat st;
	if (*passfile && stat(passfile, &st) != 0)
		return "names a passfile that is not there";
	/* libpq would pass over it, and say so each time that it connects. */
	if (*passfile && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return "names a passfile that others may read; chmod 600";
	if (*option(options, "hostaddr"))
		return NULL;
	struct slice hosts = slice_of(option(options, "host")), host;
	while (slice_next(&hosts, ',', &host))
		if (!is_host_safe(host))
			return "has a host that is neither a numeric address nor a "
			       "socket folder; add hostaddr";
	return NULL;
}

bool dsn_check(const char *dsn, char *why, size_t why_size)
{
	char *error = NULL;
	PQconninfoOption *options = PQconninfoParse(dsn, &error);
	const char *what = options ? problem(options) : "cannot be parsed";
	if (what && error)
		snprintf(why, why_size, "the DSN %s: %.*s", what,
			 (int)strcspn(error, "\n"), error);
	else if (what)
		snprintf(why, why_size, "the DSN %s", what);
	PQfreemem(error);
	PQconninfoFree(options);
	return !what;
}

PGconn *dsn_connect(const char *dsn, const char *application_name,
		    int64_t statement_timeout_ms)
{
	const char *keywords[KEYWORDS_MAX + 5], *values[KEYWORDS_MAX + 5];
	size_t n = 0;
	PQconninfoOption *options = PQconninfoParse(dsn, NULL);
	if (!options)
		return NULL;
	char start[512];
	if (statement_timeout_ms)
		snprintf(start, sizeof(start), "%s -c statement_timeout=%lld",
			 option(options, "options"), (long long)statement_timeout_ms);
	else
		snprintf(start, sizeof(start), "%s", option(options, "options"));
	const char *const ours[][2] = {
		{ "client_encoding", "UTF8" },
		{ "gssencmode", "disable" }, /* its look-ups block */
		{ "fallback_application_name", application_name },
	};
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		keywords[n] = ours[i][0];
		values[n++] = ours[i][1];
	}
	/* Of a keyword given twice libpq takes the last. */
	for (const PQconninfoOption *o = options; o->keyword && n < KEYWORDS_MAX; o++)
		if (o->val && *o->val) {
			keywords[n] = o->keyword;
			values[n++] = o->val;
		}
	keywords[n] = "options";
	values[n++] = start;
	keywords[n] = values[n] = NULL;
	PGconn *pg = PQconnectStartParams(keywords, values, 0);
	PQconninfoFree(options);
	return pg;
}
