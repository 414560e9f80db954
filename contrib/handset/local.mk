# Programs and unit tests of contrib/handset/.

noinst_LIBRARIES += contrib/handset/libhandset.a
contrib_handset_libhandset_a_SOURCES = \
	contrib/handset/again.c contrib/handset/again.h \
	contrib/handset/call.c contrib/handset/call.h \
	contrib/handset/callqueue.c contrib/handset/callqueue.h \
	contrib/handset/cancel.c contrib/handset/cancel.h \
	contrib/handset/complain.c contrib/handset/complain.h \
	contrib/handset/credentials.c contrib/handset/credentials.h \
	contrib/handset/deliver.c contrib/handset/deliver.h \
	contrib/handset/device_certificate.c contrib/handset/device_certificate.h \
	contrib/handset/download.c contrib/handset/download.h \
	contrib/handset/factory.c contrib/handset/factory.h \
	contrib/handset/form.c \
	contrib/handset/gsm7.c contrib/handset/gsm7.h \
	contrib/handset/handset.c contrib/handset/handset.h \
	contrib/handset/handset_config.c contrib/handset/handset_config.h \
	contrib/handset/install.c contrib/handset/install.h \
	contrib/handset/journal.c contrib/handset/journal.h \
	contrib/handset/keypad.c contrib/handset/keypad.h \
	contrib/handset/load.c contrib/handset/load.h \
	contrib/handset/load_device.c contrib/handset/load_device.h \
	contrib/handset/load_fleet.c contrib/handset/load_fleet.h \
	contrib/handset/load_inbox.c contrib/handset/load_inbox.h \
	contrib/handset/load_report.c contrib/handset/load_report.h \
	contrib/handset/messages.c contrib/handset/messages.h \
	contrib/handset/options.c contrib/handset/options.h \
	contrib/handset/program.c contrib/handset/program.h \
	contrib/handset/provision.c contrib/handset/provision.h \
	contrib/handset/radio.c contrib/handset/radio.h \
	contrib/handset/report.c contrib/handset/report.h \
	contrib/handset/request.c contrib/handset/request.h \
	contrib/handset/screens.c contrib/handset/screens.h \
	contrib/handset/screens_choosing.c contrib/handset/screens_content.h \
	contrib/handset/screens_following.c \
	contrib/handset/script.c contrib/handset/script.h \
	contrib/handset/session.c contrib/handset/session.h \
	contrib/handset/sms.c contrib/handset/sms.h \
	contrib/handset/state.c contrib/handset/state.h \
	contrib/handset/storage.c contrib/handset/storage.h \
	contrib/handset/terms.c contrib/handset/terms.h \
	contrib/handset/view.c contrib/handset/view.h \
	contrib/handset/words.c contrib/handset/words.h

bin_PROGRAMS += contrib/handset/handset
contrib_handset_handset_SOURCES = contrib/handset/main.c
contrib_handset_handset_LDADD = contrib/handset/libhandset.a $(AUTH_LIBS)

HANDSET_LIBS = contrib/handset/libhandset.a $(AUTH_LIBS)
handset_tests = \
	test/unit/test_again \
	test/unit/test_cancel \
	test/unit/test_deliver \
	test/unit/test_device_certificate \
	test/unit/test_download \
	test/unit/test_gsm7 \
	test/unit/test_handset_radio \
	test/unit/test_handset_session \
	test/unit/test_handset_sms \
	test/unit/test_install \
	test/unit/test_keypad \
	test/unit/test_load_report \
	test/unit/test_messages \
	test/unit/test_options \
	test/unit/test_program \
	test/unit/test_provision \
	test/unit/test_request \
	test/unit/test_screens \
	test/unit/test_script \
	test/unit/test_state \
	test/unit/test_terms \
	test/unit/test_view \
	test/unit/test_words
check_PROGRAMS += $(handset_tests)
test_unit_test_again_LDADD = $(HANDSET_LIBS)
test_unit_test_cancel_LDADD = $(HANDSET_LIBS)
test_unit_test_deliver_LDADD = $(HANDSET_LIBS)
test_unit_test_device_certificate_LDADD = $(HANDSET_LIBS)
test_unit_test_download_LDADD = $(HANDSET_LIBS)
test_unit_test_gsm7_LDADD = $(HANDSET_LIBS)
test_unit_test_handset_radio_LDADD = $(HANDSET_LIBS)
test_unit_test_handset_session_LDADD = $(HANDSET_LIBS)
test_unit_test_handset_sms_LDADD = $(HANDSET_LIBS)
test_unit_test_install_LDADD = $(HANDSET_LIBS)
test_unit_test_keypad_LDADD = $(HANDSET_LIBS)
test_unit_test_load_report_LDADD = $(HANDSET_LIBS)
test_unit_test_messages_LDADD = $(HANDSET_LIBS)
test_unit_test_options_LDADD = $(HANDSET_LIBS)
test_unit_test_program_LDADD = $(HANDSET_LIBS)
test_unit_test_provision_LDADD = $(HANDSET_LIBS)
test_unit_test_request_LDADD = $(HANDSET_LIBS)
test_unit_test_screens_LDADD = $(HANDSET_LIBS)
test_unit_test_script_LDADD = $(HANDSET_LIBS)
test_unit_test_state_LDADD = $(HANDSET_LIBS)
test_unit_test_terms_LDADD = $(HANDSET_LIBS)
test_unit_test_view_LDADD = $(HANDSET_LIBS)
test_unit_test_words_LDADD = $(HANDSET_LIBS)
# The storage calls of the installer pass through the test, which dies before the nth.
test_unit_test_install_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mkdir -Wl,--wrap=link \
	-Wl,--wrap=symlink -Wl,--wrap=chmod -Wl,--wrap=rename -Wl,--wrap=unlink \
	-Wl,--wrap=rmdir -Wl,--wrap=fsync -Wl,--wrap=write

EXTRA_DIST += test/unit/handset_stage.h test/unit/handset_wire.h

fuzz_targets += test/fuzz/fuzz_sms
test_fuzz_fuzz_sms_LDADD = $(HANDSET_LIBS)
