noinst_LIBRARIES += base/libbase.a
base_libbase_a_SOURCES = \
	base/address.c base/address.h \
	base/admin.c base/admin.h \
	base/arena.c base/arena.h \
	base/beat.c base/beat.h \
	base/board.c base/board.h \
	base/check.c base/check.h \
	base/child.c base/child.h \
	base/codec.c base/codec.h \
	base/command.c base/command.h \
	base/config.c base/config.h \
	base/config_errors.c base/config_errors.h \
	base/config_places.c base/config_places.h \
	base/config_scan.c base/config_scan.h \
	base/config_tree.c base/config_tree.h \
	base/config_value.c base/config_value.h \
	base/conn.c base/conn.h \
	base/conn_io.c base/conn_private.h \
	base/daemon.c base/daemon.h \
	base/db.c base/db.h \
	base/db_backend.c base/db_private.h \
	base/db_value.c \
	base/describe.c base/describe.h \
	base/dsn.c base/dsn.h \
	base/exchange.c base/exchange.h base/exchange_private.h \
	base/expiry.c base/expiry.h \
	base/files.c base/files.h \
	base/gate.c base/gate.h \
	base/generation.c base/generation.h \
	base/hatch.c base/hatch.h \
	base/help.c base/help.h \
	base/http.c base/http.h \
	base/http_body.c base/http_chars.h \
	base/http_head.c base/http_target.c base/http_write.c \
	base/json.c base/json.h \
	base/keyed_hash.c base/keyed_hash.h \
	base/keyfile.c base/keyfile.h \
	base/linger.c base/linger.h \
	base/link.c base/link_read.c base/link_wait.c \
	base/listener.c base/listener.h \
	base/log.c base/log.h \
	base/loop.c base/loop.h \
	base/metrics.c base/metrics.h \
	base/network.c base/network.h \
	base/orders.c base/orders.h \
	base/pem.c base/pem.h \
	base/process.c base/process.h \
	base/progress.c base/progress.h \
	base/proxy.c base/proxy.h \
	base/reload.c base/reload.h \
	base/roster.c base/roster.h \
	base/sandbox.c base/sandbox.h \
	base/sandbox_filter.c base/sandbox_filter.h \
	base/schema.h \
	base/seal.c base/seal.h \
	base/seats.c base/seats.h \
	base/secret.c base/secret.h \
	base/slice.c base/slice.h \
	base/sockets.c base/sockets.h \
	base/standard.c base/standard.h \
	base/status.c base/status.h \
	base/status_page.c base/status_page.h \
	base/supervisor.c base/supervisor.h base/supervisor_config.c \
	base/systemd.c base/systemd.h \
	base/throttle.c base/throttle.h \
	base/time.c base/time.h \
	base/tls.c base/tls.h \
	base/tls_library.c base/tls_library.h \
	base/tls_load.c base/tls_load.h \
	base/tls_memory.c base/tls_memory.h \
	base/tls_slim.c base/tls_slim.h \
	base/tls_verify.c base/tls_verify.h \
	base/utf8.c base/utf8.h \
	base/watchdog.c base/watchdog.h

check_PROGRAMS += \
	test/unit/test_address \
	test/unit/test_arena \
	test/unit/test_board \
	test/unit/test_child \
	test/unit/test_codec \
	test/unit/test_config \
	test/unit/test_config_files \
	test/unit/test_conn \
	test/unit/test_conn_failures \
	test/unit/test_db \
	test/unit/test_describe \
	test/unit/test_dsn \
	test/unit/test_exchange \
	test/unit/test_expiry \
	test/unit/test_files \
	test/unit/test_gate \
	test/unit/test_generation \
	test/unit/test_hatch \
	test/unit/test_help \
	test/unit/test_http \
	test/unit/test_json \
	test/unit/test_keyed_hash \
	test/unit/test_keyfile \
	test/unit/test_linger \
	test/unit/test_link \
	test/unit/test_listener \
	test/unit/test_log \
	test/unit/test_loop \
	test/unit/test_metrics \
	test/unit/test_network \
	test/unit/test_pem \
	test/unit/test_process \
	test/unit/test_progress \
	test/unit/test_proxy \
	test/unit/test_reload \
	test/unit/test_roster \
	test/unit/test_sandbox \
	test/unit/test_sandbox_work \
	test/unit/test_seal \
	test/unit/test_seats \
	test/unit/test_slice \
	test/unit/test_sockets \
	test/unit/test_standard \
	test/unit/test_status_page \
	test/unit/test_supervisor \
	test/unit/test_systemd \
	test/unit/test_throttle \
	test/unit/test_time \
	test/unit/test_tls \
	test/unit/test_tls_damage \
	test/unit/test_tls_library \
	test/unit/test_tls_load \
	test/unit/test_tls_memory \
	test/unit/test_tls_slim \
	test/unit/test_tls_verify \
	test/unit/test_utf8 \
	test/unit/test_watchdog

fuzz_targets += \
	test/fuzz/fuzz_codec \
	test/fuzz/fuzz_config \
	test/fuzz/fuzz_dsn \
	test/fuzz/fuzz_http \
	test/fuzz/fuzz_json \
	test/fuzz/fuzz_proxy

EXTRA_DIST += test/unit/answerer.h test/unit/attempts.h test/unit/cluster.h \
	test/unit/config_sample.h test/unit/conn_world.h test/unit/exchange_world.h \
	test/unit/http_vector.h test/unit/pki.h test/unit/sandbox_trial.h test/unit/testd.h \
	test/unit/testd_daemon.h test/unit/tls_pair.h
