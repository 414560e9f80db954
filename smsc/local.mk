# Programs and unit tests of smsc/.

sbin_PROGRAMS += provbox-smsc
provbox_smsc_SOURCES = \
	smsc/array.c smsc/array.h \
	smsc/box.c smsc/box.h \
	smsc/incoming.c smsc/incoming.h \
	smsc/boxlink.c smsc/boxlink.h \
	smsc/main.c \
	smsc/notice.c smsc/notice.h \
	smsc/notices.c smsc/notices.h \
	smsc/smsc_config.c smsc/smsc_config.h \
	smsc/smsc_metrics.c smsc/smsc_metrics.h \
	smsc/statements.c smsc/statements.h \
	smsc/store.c smsc/store.h \
	smsc/text.c smsc/text.h \
	smsc/window.c smsc/window.h \
	smsc/worker.c smsc/worker.h

check_PROGRAMS += test/unit/test_array
test_unit_test_array_SOURCES = test/unit/test_array.c smsc/array.c smsc/array.h

check_PROGRAMS += test/unit/test_box
test_unit_test_box_SOURCES = test/unit/test_box.c smsc/box.c smsc/box.h

check_PROGRAMS += test/unit/test_text
test_unit_test_text_SOURCES = test/unit/test_text.c smsc/text.c smsc/text.h

check_PROGRAMS += test/unit/test_window
test_unit_test_window_SOURCES = test/unit/test_window.c smsc/window.c smsc/window.h

check_PROGRAMS += test/unit/test_boxlink
test_unit_test_boxlink_SOURCES = test/unit/test_boxlink.c smsc/box.c smsc/box.h \
	smsc/boxlink.c smsc/boxlink.h

check_PROGRAMS += test/unit/test_notice
test_unit_test_notice_SOURCES = test/unit/test_notice.c smsc/box.c smsc/box.h \
	smsc/notice.c smsc/notice.h smsc/text.c smsc/text.h

check_PROGRAMS += test/unit/test_incoming
test_unit_test_incoming_SOURCES = test/unit/test_incoming.c smsc/box.c smsc/box.h \
	smsc/incoming.c smsc/incoming.h smsc/smsc_metrics.c smsc/smsc_metrics.h \
	smsc/statements.c smsc/statements.h smsc/text.c smsc/text.h \
	smsc/window.c smsc/window.h

check_PROGRAMS += test/unit/test_notices
test_unit_test_notices_SOURCES = test/unit/test_notices.c smsc/array.c smsc/array.h \
	smsc/box.c smsc/box.h \
	smsc/notice.c smsc/notice.h smsc/notices.c smsc/notices.h \
	smsc/smsc_metrics.c smsc/smsc_metrics.h smsc/statements.c smsc/statements.h \
	smsc/text.c smsc/text.h smsc/window.c smsc/window.h

check_PROGRAMS += test/unit/test_smsc_config
test_unit_test_smsc_config_SOURCES = test/unit/test_smsc_config.c \
	test/unit/directory.h smsc/smsc_config.c smsc/smsc_config.h

check_PROGRAMS += test/unit/test_store
test_unit_test_store_SOURCES = test/unit/test_store.c \
	smsc/array.c smsc/array.h smsc/store.c smsc/store.h

fuzz_targets += test/fuzz/fuzz_box test/fuzz/fuzz_text
test_fuzz_fuzz_box_SOURCES = test/fuzz/fuzz_box.c smsc/box.c smsc/box.h
test_fuzz_fuzz_text_SOURCES = test/fuzz/fuzz_text.c smsc/text.c smsc/text.h \
	contrib/handset/gsm7.c contrib/handset/gsm7.h

check_PROGRAMS += test/unit/test_smsc_worker
test_unit_test_smsc_worker_SOURCES = test/unit/test_smsc_worker.c \
	smsc/smsc_metrics.c smsc/smsc_metrics.h \
	smsc/statements.c smsc/statements.h \
	smsc/window.c smsc/window.h smsc/worker.c smsc/worker.h
