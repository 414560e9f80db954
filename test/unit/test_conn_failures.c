#include "base/conn.h"
#include "base/listener.h"

#include "test/unit/conn_world.h"

/* ---- Failures ---- */

static void reports_a_refused_connection_later(void)
{
	struct world *world = world_new();

	/* Nobody listens where the listener was. */
	listener_free(world->listener);
	world->listener = NULL;
	shutdown(world->listen_fd, SHUT_RDWR);
	dial(world);
	run_until(world, client_failed);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_CONNECT);
	world_free(world);
}

static void limits_the_handshake(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->server_settings.handshake_timeout_ms = 100;
	world->client_settings.tls = NULL; /* connects and is silent */
	dial(world);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_HANDSHAKE_TIMEOUT);
	CU_ASSERT_EQUAL(world->server.n[CONN_OPEN], 0);
	world_free(world);
}

static void limits_the_client_handshake(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->client_settings.handshake_timeout_ms = 100;
	world->server_settings.tls = NULL;
	dial(world);
	run_until(world, client_failed);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_HANDSHAKE_TIMEOUT);
	world_free(world);
}

static void limits_a_write_without_progress(void)
{
	struct world *world = world_with_tls("clientAuth");
	int64_t start;

	world->client_settings.write_timeout_ms = 200;
	world->client.to_send = 64 << 20;
	dial(world);
	run_until(world, both_are_open);
	conn_pause(world->server.conn);
	start = loop_now_ms(world->loop);
	run_until(world, client_failed);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_WRITE_TIMEOUT);
	CU_ASSERT(loop_now_ms(world->loop) - start >= 150);
	world_free(world);
}

static void limits_the_last_write_too(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->client_settings.write_timeout_ms = 200;
	world->client.to_send = 64 << 20;
	dial(world);
	run_until(world, both_are_open);
	conn_pause(world->server.conn);
	conn_close(world->client.conn);
	world->client.conn = NULL;
	for (int i = 0; i < 10; i++)
		run_a_moment(world);
	conn_resume(world->server.conn);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_TRUNCATED);
	world_free(world);
}

static void learns_of_its_rejection_by_the_alert(void)
{
	struct world *world = world_with_tls("serverAuth");

	/* In TLS 1.3 the client is open, and has sent, before it is judged. */
	world->client.to_send = 1 << 20;
	dial(world);
	run_until(world, both_failed);
	CU_ASSERT_EQUAL(world->server.n[CONN_OPEN], 0);
	CU_ASSERT_EQUAL(world->server.received, 0);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_TLS);
	CU_ASSERT_EQUAL(world->server.tls_failure, TLS_FAILURE_WRONG_PURPOSE);
	CU_ASSERT_STRING_EQUAL(conn_failure_name(world->server.conn),
			       "certificate_wrong_purpose");
	CU_ASSERT_EQUAL(world->client.n[CONN_OPEN], 1);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_TLS);
	CU_ASSERT_EQUAL(world->client.tls_failure, TLS_FAILURE_ALERT);
	world_free(world);
}

static bool server_has_two_bytes(const struct world *world)
{
	return world->server.received == 2;
}

/* OpenSSL reads on as long as they come, and a loop serves nobody meanwhile. */
static void gives_up_a_peer_that_talks_of_keys_without_end(void)
{
	struct world *world = world_with_tls("clientAuth");
	SSL *ssl;

	world->client.to_send = 1;
	dial(world);
	run_until(world, both_are_open);
	ssl = conn_ssl(world->client.conn);
	for (int i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) &&
					SSL_do_handshake(ssl),
				1);
	world->client.to_send = 2;
	send_more(&world->client);
	run_until(world, server_has_two_bytes);
	CU_ASSERT_EQUAL(world->server.n[CONN_FAILED], 0);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) &&
					SSL_do_handshake(ssl),
				1);
	world->client.to_send = 3;
	send_more(&world->client);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_TLS);
	CU_ASSERT_EQUAL(world->server.tls_failure, TLS_FAILURE_PROTOCOL);
	CU_ASSERT_EQUAL(world->server.received, 2);
	CU_ASSERT_EQUAL(world->server.n[CONN_EOF], 0);
	world_free(world);
}

static void rejects_a_server_of_another_name(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->client_settings.server_name = "gw.example.org";
	dial(world);
	run_until(world, both_failed);
	CU_ASSERT_EQUAL(world->client.n[CONN_OPEN], 0);
	CU_ASSERT_EQUAL(world->client.tls_failure, TLS_FAILURE_WRONG_NAME);
	CU_ASSERT_EQUAL(world->server.tls_failure, TLS_FAILURE_ALERT);
	world_free(world);
}

static void names_every_failure(void)
{
	struct world *world = world_new();

	dial(world);
	CU_ASSERT_STRING_EQUAL(conn_failure_name(world->client.conn), "none");
	world_free(world);
}

TEST_MAIN("conn_failures", TEST(reports_a_refused_connection_later),
	  TEST(limits_the_handshake), TEST(limits_the_client_handshake),
	  TEST(limits_a_write_without_progress), TEST(limits_the_last_write_too),
	  TEST(learns_of_its_rejection_by_the_alert),
	  TEST(gives_up_a_peer_that_talks_of_keys_without_end),
	  TEST(rejects_a_server_of_another_name), TEST(names_every_failure))
