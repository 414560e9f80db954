/* Kannel: what its ports let in, and what its configuration leaves open (F52). */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "provctl/doctor.h"
#include "provctl/file.h"

#define CONNECT_S 2

/* ---- Who listens ---- */

enum reach {
	REACH_LOOPBACK,
	REACH_BEYOND,
	REACH_UNKNOWN
};

static enum reach reach_of(struct doctor *doctor, unsigned port)
{
	static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	enum reach reach = REACH_UNKNOWN;

	for (size_t i = 0; i < 2 && reach != REACH_BEYOND; i++) {
		int fd = open(tables[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue; /* a system without IPv6 */
		struct slice table = doctor_read_all(doctor->ctx->arena, fd);
		reach = doctor_is_exposed(table, port) ? REACH_BEYOND : REACH_LOOPBACK;
		close(fd);
	}
	return reach;
}

static void found_unknown(struct doctor *doctor, const char *name)
{
	doctor_found(doctor, name, VERDICT_WARN,
		     "who else may reach it was not looked at: /proc/net/tcp cannot "
		     "be read",
		     "see that it listens on loopback alone: ss -ltn");
}

/* ---- The bearerboxes of provbox-smsc ---- */

static bool read_address(const char *text, struct sockaddr_storage *out,
			 socklen_t *size, unsigned *port)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;
	const char *colon = strrchr(text, ':');
	char host[64];
	uint64_t number;

	memset(out, 0, sizeof(*out));
	if (!colon || !slice_to_u64(slice_of(colon + 1), UINT16_MAX, &number))
		return false;
	bool is_6 = text[0] == '[';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * is_6,
		 text + is_6);
	*port = (unsigned)number;
	*size = is_6 ? sizeof(*v6) : sizeof(*v4);
	if (is_6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)number);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)number);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static bool is_local(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	return address->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
					     : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool answers(const struct sockaddr_storage *address, socklen_t size)
{
	const struct timeval limit = { .tv_sec = CONNECT_S };
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	bool is_up =
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
		connect(fd, (const void *)address, size) == 0;
	close(fd);
	return is_up;
}

static void check_address(struct doctor *doctor, const char *text)
{
	struct sockaddr_storage address;
	socklen_t size;
	unsigned port;

	if (!read_address(text, &address, &size, &port))
		doctor_found(doctor, text, VERDICT_FAIL, "is no address with a port",
			     "address = HOST:PORT of bearerbox in smsc.conf");
	else if (!answers(&address, size))
		doctor_found(doctor, text, VERDICT_FAIL, "does not answer",
			     "systemctl start kannel, and see its smsbox-port");
	else if (!is_local(&address))
		doctor_found(doctor, text, VERDICT_WARN,
			     "is another machine; its box port believes whoever "
			     "reaches it, and nothing on the way is encrypted",
			     "run bearerbox here, or lead the port through a tunnel");
	else if (reach_of(doctor, port) == REACH_UNKNOWN)
		found_unknown(doctor, text);
	else if (reach_of(doctor, port) == REACH_BEYOND)
		doctor_found(
			doctor, text, VERDICT_FAIL,
			"the box port listens beyond loopback, and believes "
			"whoever reaches it",
			"smsbox-interface = 127.0.0.1 in kannel.conf, then restart "
			"bearerbox");
	else
		doctor_found(doctor, text, VERDICT_OK, "answers, and on loopback alone",
			     NULL);
}

void doctor_check_bearerbox(struct doctor *doctor)
{
	struct slice rest = doctor->smsc.dump, value;

	if (doctor->smsc.path && rest.n == 0)
		doctor_found(doctor, doctor->smsc.program, VERDICT_WARN,
			     "not looked at: where it is is not known without a "
			     "configuration that is right",
			     "mend that first, then provctl doctor");
	while (doctor_next_value(&rest, "address", &value))
		check_address(doctor, arena_string(doctor->ctx->arena, value));
}

/* ---- kannel.conf ---- */

/* What the samples have for passwords, Kannel's and ours. */
static const char *const sample_passwords[] = { "bar", "foo", "CHANGE-ME", "" };

static void check_password(struct doctor *doctor, const char *key, struct slice conf)
{
	struct slice value;

	if (!doctor_next_value(&conf, key, &value))
		return;
	for (size_t i = 0; i < sizeof(sample_passwords) / sizeof(*sample_passwords);
	     i++)
		if (slice_eq(value, slice_of(sample_passwords[i]))) {
			doctor_found(doctor, key, VERDICT_FAIL,
				     "is that of the sample configuration",
				     "openssl rand -hex 16; put it there, then restart "
				     "bearerbox");
			return;
		}
	doctor_found(doctor, key, VERDICT_OK, "is none of the samples'", NULL);
}

/* Ports of bearerbox, and the setting that keeps each on loopback; NULL: none does. */
static const struct {
	const char *port, *interface;
} ports[] = {
	{ "admin-port", "admin-interface" },
	{ "smsbox-port", "smsbox-interface" },
	{ "wapbox-port", NULL },
	{ "ppg-port", NULL },
};

static void check_port(struct doctor *doctor, struct slice conf, size_t i)
{
	struct arena *arena = doctor->ctx->arena;
	struct slice rest = conf, value, interface;
	uint64_t port;

	if (!doctor_next_value(&rest, ports[i].port, &value))
		return;
	rest = conf;
	bool is_kept = ports[i].interface &&
		       doctor_next_value(&rest, ports[i].interface, &interface) &&
		       (slice_starts(interface, SLICE("127.")) ||
			slice_eq(interface, SLICE("::1")));
	enum reach reach = slice_to_u64(value, UINT16_MAX, &port)
				   ? reach_of(doctor, (unsigned)port)
				   : REACH_LOOPBACK;
	if (is_kept && reach == REACH_UNKNOWN)
		found_unknown(doctor, ports[i].port);
	else if (is_kept && reach == REACH_LOOPBACK)
		doctor_found(doctor, ports[i].port, VERDICT_OK, "is on loopback alone",
			     NULL);
	else if (ports[i].interface)
		doctor_found(doctor, ports[i].port, VERDICT_FAIL,
			     "listens beyond loopback",
			     arena_printf(arena,
					  "%s = 127.0.0.1 in kannel.conf, then "
					  "restart bearerbox",
					  ports[i].interface));
	else
		doctor_found(doctor, ports[i].port, VERDICT_FAIL,
			     "listens on every address, and no setting prevents it",
			     arena_printf(arena,
					  "take %s out of kannel.conf, or drop "
					  "its port in the firewall",
					  ports[i].port));
}

void doctor_check_kannel(struct doctor *doctor)
{
	struct slice conf, rest, value;

	if (!doctor->kannel)
		return;
	if (!file_read(doctor->ctx->arena, doctor->kannel, &conf)) {
		doctor_found(doctor, doctor->kannel, VERDICT_FAIL, "cannot be read",
			     "name it: --kannel FILE; read it as root");
		return;
	}
	check_password(doctor, "admin-password", conf);
	check_password(doctor, "status-password", conf);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		check_port(doctor, conf, i);
	rest = conf;
	if (!doctor_next_value(&rest, "box-allow-ip", &value))
		doctor_found(
			doctor, "box-allow-ip", VERDICT_FAIL,
			"is missing: any box may speak for any other",
			"box-deny-ip = \"*.*.*.*\" and box-allow-ip = \"127.0.0.1\"");
	rest = conf;
	if (!doctor_next_value(&rest, "store-type", &value) ||
	    !slice_eq(value, SLICE("spool")))
		doctor_found(doctor, "store-type", VERDICT_FAIL,
			     "is not spool: bearerbox forgets what it has when it ends",
			     "store-type = spool and store-location in kannel.conf");
}
