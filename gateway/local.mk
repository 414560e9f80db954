# provbox-gateway and its unit tests.
sbin_PROGRAMS += provbox-gateway
provbox_gateway_SOURCES = \
	gateway/access.c gateway/access.h \
	gateway/airnet.c gateway/airnet.h \
	gateway/authorities.c gateway/authorities.h \
	gateway/authentication.c gateway/authentication.h \
	gateway/control.c gateway/control.h \
	gateway/control_line.c gateway/control_line.h \
	gateway/forward.c gateway/forward.h \
	gateway/gateway_config.c gateway/gateway_config.h \
	gateway/gateway_config_check.c gateway/gateway_config_check.h \
	gateway/gateway_metrics.c gateway/gateway_metrics.h \
	gateway/landnet.c gateway/landnet.h \
	gateway/limit.c gateway/limit.h \
	gateway/main.c \
	gateway/pool.c gateway/pool.h \
	gateway/presence.c gateway/presence.h \
	gateway/proxied.c gateway/proxied.h \
	gateway/refusal.c gateway/refusal.h \
	gateway/report.c gateway/report.h \
	gateway/route.c gateway/route.h \
	gateway/session.c gateway/session.h \
	gateway/target.c gateway/target.h \
	gateway/transaction.c gateway/transaction.h
provbox_gateway_LDADD = $(AUTH_LIBS)

check_PROGRAMS += \
	test/unit/test_access \
	test/unit/test_authentication \
	test/unit/test_control \
	test/unit/test_control_line \
	test/unit/test_control_refused \
	test/unit/test_forward \
	test/unit/test_forward_loans \
	test/unit/test_gateway_config \
	test/unit/test_limit \
	test/unit/test_pool \
	test/unit/test_presence \
	test/unit/test_proxied \
	test/unit/test_refusal \
	test/unit/test_report \
	test/unit/test_route \
	test/unit/test_session \
	test/unit/test_session_revoke \
	test/unit/test_target \
	test/unit/test_transaction \
	test/unit/test_transaction_renewal
EXTRA_DIST += test/unit/airnet_stage.h test/unit/control_play.h \
	test/unit/forward_play.h test/unit/gateway_stage.h

pool_parts = gateway/gateway_metrics.c gateway/pool.c gateway/target.c
test_unit_test_pool_SOURCES = test/unit/test_pool.c gateway/landnet.c $(pool_parts)
test_unit_test_pool_LDADD = $(AUTH_LIBS)
test_unit_test_proxied_SOURCES = test/unit/test_proxied.c gateway/proxied.c \
	gateway/gateway_metrics.c
test_unit_test_proxied_LDADD = $(AUTH_LIBS)
test_unit_test_access_SOURCES = test/unit/test_access.c gateway/access.c
test_unit_test_access_LDADD = $(AUTH_LIBS)
test_unit_test_authentication_SOURCES = test/unit/test_authentication.c \
	gateway/authentication.c gateway/landnet.c $(pool_parts)
test_unit_test_authentication_LDADD = $(AUTH_LIBS)
test_unit_test_refusal_SOURCES = test/unit/test_refusal.c gateway/refusal.c \
	$(pool_parts)
test_unit_test_refusal_LDADD = $(AUTH_LIBS)
test_unit_test_report_SOURCES = test/unit/test_report.c gateway/report.c \
	gateway/landnet.c $(pool_parts)
test_unit_test_report_LDADD = $(AUTH_LIBS)
test_unit_test_route_SOURCES = test/unit/test_route.c gateway/route.c \
	gateway/authorities.c gateway/gateway_config.c $(pool_parts)
test_unit_test_route_LDADD = $(AUTH_LIBS)
control_parts = gateway/control.c gateway/control_line.c gateway/landnet.c $(pool_parts)
test_unit_test_control_SOURCES = test/unit/test_control.c $(control_parts)
test_unit_test_control_LDADD = $(AUTH_LIBS)
test_unit_test_control_refused_SOURCES = test/unit/test_control_refused.c $(control_parts)
test_unit_test_control_refused_LDADD = $(AUTH_LIBS)
test_unit_test_control_line_SOURCES = test/unit/test_control_line.c \
	gateway/control_line.c
test_unit_test_control_line_LDADD = $(AUTH_LIBS)
test_unit_test_presence_SOURCES = test/unit/test_presence.c gateway/presence.c
test_unit_test_presence_LDADD = $(AUTH_LIBS)
forward_parts = gateway/forward.c gateway/landnet.c $(pool_parts)
test_unit_test_forward_SOURCES = test/unit/test_forward.c $(forward_parts)
test_unit_test_forward_LDADD = $(AUTH_LIBS)
test_unit_test_forward_loans_SOURCES = test/unit/test_forward_loans.c $(forward_parts)
test_unit_test_forward_loans_LDADD = $(AUTH_LIBS)
test_unit_test_gateway_config_SOURCES = test/unit/test_gateway_config.c \
	gateway/authorities.c gateway/gateway_config.c gateway/gateway_config_check.c
test_unit_test_gateway_config_LDADD = $(AUTH_LIBS)

test_unit_test_limit_SOURCES = test/unit/test_limit.c gateway/limit.c $(pool_parts)
test_unit_test_limit_LDADD = $(AUTH_LIBS)

session_parts = gateway/access.c gateway/authentication.c gateway/authorities.c \
	gateway/forward.c gateway/gateway_config.c gateway/landnet.c gateway/limit.c \
	gateway/presence.c gateway/refusal.c gateway/report.c gateway/route.c \
	gateway/session.c gateway/transaction.c $(pool_parts)
test_unit_test_session_SOURCES = test/unit/test_session.c $(session_parts)
test_unit_test_session_LDADD = $(AUTH_LIBS)
test_unit_test_session_revoke_SOURCES = test/unit/test_session_revoke.c $(session_parts)
test_unit_test_session_revoke_LDADD = $(AUTH_LIBS)
test_unit_test_target_SOURCES = test/unit/test_target.c gateway/target.c
test_unit_test_target_LDADD = $(AUTH_LIBS)
test_unit_test_transaction_SOURCES = test/unit/test_transaction.c $(session_parts)
test_unit_test_transaction_LDADD = $(AUTH_LIBS)
test_unit_test_transaction_renewal_SOURCES = test/unit/test_transaction_renewal.c \
	$(session_parts)
test_unit_test_transaction_renewal_LDADD = $(AUTH_LIBS)

fuzz_targets += test/fuzz/fuzz_control_line
test_fuzz_fuzz_control_line_SOURCES = test/fuzz/fuzz_control_line.c \
	gateway/control_line.c gateway/control_line.h
test_fuzz_fuzz_control_line_LDADD = $(AUTH_LIBS)
