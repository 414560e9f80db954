# provbox-server, its unit tests and the schema. All but main() is a library, so that a
# unit test links what it needs.
noinst_LIBRARIES += provisioning/libprovisioning.a
provisioning_libprovisioning_a_SOURCES = \
	provisioning/admission.c provisioning/admission.h \
	provisioning/api.c provisioning/api.h \
	provisioning/authentication.c provisioning/authentication.h \
	provisioning/billing.c provisioning/billing.h \
	provisioning/billing_file.c provisioning/billing_file.h \
	provisioning/fetch.c provisioning/fetch.h \
	provisioning/content.c provisioning/content.h \
	provisioning/control.c provisioning/control.h \
	provisioning/courier.c provisioning/courier.h \
	provisioning/device_api.c provisioning/device_api.h \
	provisioning/effect.c provisioning/effect.h \
	provisioning/effect_post.c provisioning/effect_post.h \
	provisioning/header.c provisioning/header.h \
	provisioning/hook.c provisioning/hook.h \
	provisioning/landnet.c provisioning/landnet.h \
	provisioning/mail.c provisioning/mail.h \
	provisioning/mail_text.c provisioning/mail_text.h \
	provisioning/poster.c provisioning/poster.h \
	provisioning/route.c provisioning/route.h \
	provisioning/server_config.c provisioning/server_config.h \
	provisioning/server_metrics.c provisioning/server_metrics.h \
	provisioning/service.c provisioning/service.h \
	provisioning/session_end.c provisioning/session_end.h \
	provisioning/statement.c provisioning/statement.h \
	provisioning/transfer.c provisioning/transfer.h \
	provisioning/verification.c provisioning/verification.h \
	provisioning/wait.c provisioning/wait.h

SERVER_LIBS = provisioning/libprovisioning.a $(AUTH_LIBS) $(CURL_LIBS)

sbin_PROGRAMS += provbox-server
provbox_server_SOURCES = provisioning/main.c
provbox_server_LDADD = $(SERVER_LIBS)

check_PROGRAMS += test/unit/test_admission test/unit/test_content \
	test/unit/test_billing_file test/unit/test_courier test/unit/test_device_api test/unit/test_fetch \
	test/unit/test_mail_text \
	test/unit/test_poster \
	test/unit/test_server_authentication test/unit/test_server_config \
	test/unit/test_server_header test/unit/test_server_route \
	test/unit/test_service \
	test/unit/test_session_end test/unit/test_verification test/unit/test_wait
test_unit_test_admission_LDADD = $(SERVER_LIBS)
test_unit_test_billing_file_LDADD = $(SERVER_LIBS)
test_unit_test_content_LDADD = $(SERVER_LIBS)
test_unit_test_courier_LDADD = $(SERVER_LIBS)
test_unit_test_device_api_SOURCES = test/unit/test_device_api.c \
	provisioning/device_api.c provisioning/device_api.h
test_unit_test_device_api_LDADD = $(AUTH_LIBS)
test_unit_test_fetch_SOURCES = test/unit/test_fetch.c \
	provisioning/fetch.c provisioning/fetch.h \
	provisioning/poster.c provisioning/poster.h \
	provisioning/server_metrics.c provisioning/server_metrics.h \
	provisioning/service.c provisioning/service.h \
	provisioning/transfer.c provisioning/transfer.h
test_unit_test_fetch_LDADD = $(AUTH_LIBS) $(CURL_LIBS)
test_unit_test_mail_text_LDADD = $(SERVER_LIBS)
test_unit_test_poster_LDADD = $(SERVER_LIBS)
test_unit_test_server_authentication_SOURCES = \
	test/unit/test_server_authentication.c \
	provisioning/authentication.c provisioning/authentication.h \
	provisioning/server_metrics.c provisioning/server_metrics.h
test_unit_test_server_authentication_LDADD = $(AUTH_LIBS)
test_unit_test_server_config_LDADD = $(SERVER_LIBS)
test_unit_test_server_header_LDADD = $(SERVER_LIBS)
test_unit_test_server_route_LDADD = $(SERVER_LIBS)
test_unit_test_service_LDADD = $(SERVER_LIBS)
test_unit_test_session_end_SOURCES = test/unit/test_session_end.c \
	provisioning/session_end.c provisioning/session_end.h
test_unit_test_session_end_LDADD = $(AUTH_LIBS)
test_unit_test_verification_LDADD = $(SERVER_LIBS)
test_unit_test_wait_SOURCES = test/unit/test_wait.c \
	provisioning/header.c provisioning/header.h \
	provisioning/wait.c provisioning/wait.h
test_unit_test_wait_LDADD = $(AUTH_LIBS)

fuzz_targets += test/fuzz/fuzz_header test/fuzz/fuzz_request test/fuzz/fuzz_route
test_fuzz_fuzz_header_LDADD = $(SERVER_LIBS)
test_fuzz_fuzz_route_LDADD = $(SERVER_LIBS)
test_fuzz_fuzz_request_LDADD = $(AUTH_LIBS)
test_fuzz_fuzz_request_SOURCES = test/fuzz/fuzz_request.c \
	provisioning/device_api.c provisioning/device_api.h

EXTRA_DIST += test/unit/api_played.h test/unit/https_peer.h \
	test/unit/landnet_stage.h test/unit/schema.h

nobase_dist_pkgdata_DATA += \
	provisioning/sql/roles.sql \
	provisioning/sql/001_base.sql \
	provisioning/sql/002_reasons.sql \
	provisioning/sql/003_device.sql \
	provisioning/sql/004_catalogue.sql \
	provisioning/sql/005_request.sql \
	provisioning/sql/006_outbox.sql \
	provisioning/sql/007_notice.sql \
	provisioning/sql/008_offer.sql \
	provisioning/sql/009_device_api.sql \
	provisioning/sql/010_mo.sql \
	provisioning/sql/011_operator.sql \
	provisioning/sql/012_control.sql \
	provisioning/sql/013_rights.sql \
	provisioning/sql/014_operator_work.sql \
	provisioning/sql/015_narrow_band.sql \
	provisioning/sql/016_fetch.sql \
	provisioning/sql/017_copy.sql \
	provisioning/sql/018_wording.sql \
	provisioning/sql/019_verification.sql \
	provisioning/sql/020_billing_file.sql \
	provisioning/sql/021_trace.sql \
	provisioning/sql/022_user_data.sql \
	provisioning/sql/023_doctor.sql \
	provisioning/sql/024_smsc_link.sql
