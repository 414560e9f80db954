/* What processes do that are in the sandbox: all that they are for goes on working. */
#include "base/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/rand.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/conn.h"
#include "base/hatch.h"
#include "base/json.h"
#include "base/log.h"
#include "test/unit/pki.h"
#include "test/unit/sandbox_trial.h"

static int write_log(void)
{
	struct tm tm;
	time_t now = time(NULL);
	char text[64];

	log_warn("hidden");
	log_write(LOG_LEVEL_ERROR, "shown", LOG_FIELDS(log_str("why", strerror(EIO))));
	return localtime_r(&now, &tm) &&
			       strftime(text, sizeof(text), "%F %T %Z", &tm) > 0
		       ? WORKED
		       : EIO;
}

static int use_memory(void)
{
	void *blocks[100];

	for (size_t i = 0; i < 100; i++) {
		blocks[i] = malloc(i % 2 ? 1 << 20 : 1 << 10);
		if (!blocks[i])
			return ENOMEM;
		memset(blocks[i], 1, i % 2 ? 1 << 20 : 1 << 10);
	}
	void *large = malloc(100 << 20);
	large = realloc(large, 120 << 20);
	memset(large, 1, 120 << 20);
	free(large);
	for (size_t i = 0; i < 100; i++)
		free(blocks[i]);
	return WORKED;
}

static int compare_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 100);
}

static int draw_and_sort(void)
{
	static unsigned char rows[1000][100]; /* so many that qsort() asks for memory */

	for (size_t i = 0; i < 1000; i++)
		if (RAND_bytes(rows[i], 100) != 1 || RAND_priv_bytes(rows[i], 8) != 1)
			return EIO;
	qsort(rows, 1000, 100, compare_bytes);
	json_t *object = json_object();
	json_object_set_new(object, "a", json_real(0.5));
	char *text = json_dumps(object, 0);
	return text && strcmp(text, "{\"a\": 0.5}") == 0 ? WORKED : EIO;
}

static struct loop *loop;
static int n_ticks;

static void on_tick(void *arg)
{
	if (++n_ticks == 3)
		raise(SIGTERM); /* the supervisor wants an end */
	else
		timer_start(arg, 2);
}

static void on_term(void *arg)
{
	loop_stop(arg);
}

static void open_loop(void)
{
	loop = loop_new();
	loop_on_signal(loop, SIGTERM, on_term, loop);
}

static int run_loop(void)
{
	struct timer timer;

	timer_init(&timer, loop, on_tick, &timer);
	timer_start(&timer, 1);
	loop_run(loop);
	loop_free(loop); /* gives the signal back */
	return n_ticks == 3 ? WORKED : EIO;
}

static void goes_on_working(void)
{
	static int (*const acts[])(void) = { write_log, use_memory, draw_and_sort };

	log_open("test/sandbox", LOG_LEVEL_ERROR); /* as before any sandbox */
	for (size_t j = 0; j < N_PROFILES; j++) {
		for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
			CU_ASSERT_EQUAL(status_of(profiles[j].rights, acts[i]), 0);
			CU_ASSERT_EQUAL(*forbidden, -1);
		}
		before = open_loop;
		CU_ASSERT_EQUAL(status_of(profiles[j].rights, run_loop), 0);
		CU_ASSERT_EQUAL(*forbidden, -1);
		before = NULL;
	}
}

static int channel[2];

static ssize_t answer(void *arg, struct slice question, uint8_t *out, size_t cap)
{
	(void)arg, (void)question;
	if (cap > 0)
		out[0] = 42;
	raise(SIGTERM);
	return 1;
}

static int serve(void)
{
	child_serve(&channel[1], 1, answer, NULL);
	return WORKED;
}

static int serve_at_hatch(void)
{
	hatch_serve(&channel[1], 1, answer, NULL);
	return WORKED;
}

/* A frame of child.c with one byte of payload. */
static bool ask_over_channel(void)
{
	const uint32_t question[] = { 7, 1 };
	uint8_t frame[64];

	return send(channel[0], question, sizeof(question), 0) == sizeof(question) &&
	       recv(channel[0], frame, sizeof(frame), 0) == sizeof(question) + 1 &&
	       frame[sizeof(question)] == 42;
}

static bool ask_at_hatch(void)
{
	uint8_t byte = 0;
	struct hatch *hatch = hatch_open(channel[0]);

	return hatch && hatch_ask(hatch, SLICE("?"), 10000, &byte, 1) == 1 &&
	       byte == 42;
}

static void answers(int (*act)(void), bool (*ask)(void))
{
	int status = -1;
	pid_t asker = fork();

	if (asker == 0)
		_exit(ask() ? 0 : 1);
	CU_ASSERT_EQUAL(status_of(0, act), 0);
	waitpid(asker, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
	close(channel[0]);
}

static void answers_questions(void)
{
	CU_ASSERT_EQUAL_FATAL(child_channel(channel), 0);
	answers(serve, ask_over_channel);
	close(channel[1]);
	channel[0] = channel[1] = hatch_make();
	CU_ASSERT_TRUE_FATAL(channel[0] >= 0);
	answers(serve_at_hatch, ask_at_hatch);
}

/* An abort is told apart from an attack. */
static int abort_by_assertion(void)
{
	close(STDERR_FILENO); /* it has something to say */
	BUG_ON(true);
}

static int abort_by_broken_heap(void)
{
	void (*volatile release)(void *) = free; /* the compiler would complain */
	void *p = malloc(100);

	close(STDERR_FILENO);
	release(p);
	release(p);
	return WORKED;
}

static void aborts_as_ever(void)
{
	static int (*const acts[])(void) = { abort_by_assertion, abort_by_broken_heap };

	if (is_sanitized)
		return;
	for (size_t j = 0; j < N_PROFILES; j++)
		for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
			int status = status_of(profiles[j].rights, acts[i]);
			CU_ASSERT_TRUE(WIFSIGNALED(status));
			CU_ASSERT_EQUAL(WTERMSIG(status), SIGABRT);
			CU_ASSERT_EQUAL(*forbidden, -1);
		}
}

/* ---- TLS ---- */

static struct tls_context *contexts[2];

static struct tls_context *context(enum tls_role role, const struct pki *pki,
				   const struct pki_leaf *leaf)
{
	char why[256];
	struct tls_context *made =
		tls_context_new(&(struct tls_settings){ .role = role,
							.chain_path = leaf->path,
							.key = leaf->key,
							.trust_path = pki->ca_path,
							.crl_path = pki->crl_path,
							.tls12 = true },
				why, sizeof(why));

	CU_ASSERT_PTR_NOT_NULL_FATAL(made);
	return made;
}

static struct conn *ends[2];
static int n_open;

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	(void)arg;
	if (event == CONN_OPEN) {
		evbuffer_add(conn_tx(conn), "hello", 5);
		conn_flush(conn);
	}
	n_open += event == CONN_READABLE;
	if (n_open == 2 || event == CONN_FAILED)
		loop_stop(loop);
}

static int listening = -1;

/* Both ends in one process: it listens, dials and accepts itself. */
static int shake_hands(void)
{
	struct conn_settings settings = { .tls = contexts[0] };
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	getsockname(listening, (void *)&address, &size);
	settings = (struct conn_settings){ .tls = contexts[1],
					   .server_name = "gw.example.com" };
	ends[1] = conn_connect(loop, (void *)&address, size, &settings, on_conn, NULL);
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	settings = (struct conn_settings){ .tls = contexts[0] };
	ends[0] = conn_accept(loop, fd, &settings, on_conn, NULL);
	loop_run(loop);
	return n_open == 2 ? WORKED : EIO;
}

static void shakes_hands_in_the_gateway(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct pki *pki = pki_new("Airnet");
	const struct pki_leaf *server =
		pki_issue(pki, "server",
			  &(struct pki_options){ .san = "DNS:gw.example.com",
						 .eku = "serverAuth" });
	const struct pki_leaf *client =
		pki_issue(pki, "client", &(struct pki_options){ .eku = "clientAuth" });

	pki_write_crl(pki, 3600);
	contexts[0] = context(TLS_SERVER, pki, server);
	contexts[1] = context(TLS_CLIENT, pki, client);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(listening, (void *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL(listen(listening, 1), 0);
	before = open_loop;
	CU_ASSERT_EQUAL(status_of(SANDBOX_ACCEPT | SANDBOX_DIAL_IP, shake_hands), 0);
	CU_ASSERT_EQUAL(*forbidden, -1);
	before = NULL;
	close(listening);
	tls_context_free(contexts[0]);
	tls_context_free(contexts[1]);
	pki_free(pki);
}

static int look_up_names(void)
{
	struct addrinfo *found = NULL;
	int number = getaddrinfo("127.0.0.1", "5432", NULL, &found);
	int name = getaddrinfo("localhost", "5432", NULL, &found);

	return number == 0 && name == 0 ? WORKED : EIO;
}

static int look_up_number(void)
{
	struct addrinfo *found = NULL;

	return getaddrinfo("127.0.0.1", "5432", NULL, &found) == 0 ? WORKED : EIO;
}

static void looks_up_names(void)
{
	CU_ASSERT_EQUAL(status_of(SANDBOX_DATABASE, look_up_number), 0);
	CU_ASSERT_EQUAL(status_of(SANDBOX_DATABASE | SANDBOX_RESOLVE, look_up_names),
			0);
}

TEST_MAIN("sandbox_work", TEST(makes_shared_memory), TEST(goes_on_working),
	  TEST(answers_questions), TEST(aborts_as_ever),
	  TEST(shakes_hands_in_the_gateway), TEST(looks_up_names))
