# The message centre for tests and demonstrations.

bin_PROGRAMS += contrib/smscsim/smscsim
contrib_smscsim_smscsim_SOURCES = \
	contrib/smscsim/centre.c contrib/smscsim/centre.h \
	contrib/smscsim/mailbox.c contrib/smscsim/mailbox.h \
	contrib/smscsim/main.c \
	contrib/smscsim/message.c contrib/smscsim/message.h \
	contrib/smscsim/pdu.c contrib/smscsim/pdu.h \
	contrib/smscsim/radio.c contrib/smscsim/radio.h \
	contrib/smscsim/session.c contrib/smscsim/session.h \
	contrib/smscsim/sms.c contrib/smscsim/sms.h
contrib_smscsim_smscsim_LDADD = $(BASE_LIBS) $(SMPP34_LIBS)

check_PROGRAMS += \
	test/unit/test_mailbox \
	test/unit/test_sms \
	test/unit/test_smscsim_centre \
	test/unit/test_smscsim_radio \
	test/unit/test_smscsim_receipts \
	test/unit/test_smscsim_session
test_unit_test_sms_SOURCES = test/unit/test_sms.c contrib/smscsim/sms.c \
	contrib/smscsim/sms.h
test_unit_test_mailbox_SOURCES = test/unit/test_mailbox.c \
	contrib/smscsim/mailbox.c contrib/smscsim/mailbox.h
centre_parts = test/unit/centre_stage.h \
	contrib/smscsim/centre.c contrib/smscsim/centre.h \
	contrib/smscsim/mailbox.c contrib/smscsim/mailbox.h \
	contrib/smscsim/message.c contrib/smscsim/message.h \
	contrib/smscsim/pdu.c contrib/smscsim/pdu.h \
	contrib/smscsim/sms.c contrib/smscsim/sms.h
test_unit_test_smscsim_centre_SOURCES = test/unit/test_smscsim_centre.c $(centre_parts)
test_unit_test_smscsim_centre_LDADD = $(BASE_LIBS) $(SMPP34_LIBS)
test_unit_test_smscsim_receipts_SOURCES = test/unit/test_smscsim_receipts.c $(centre_parts)
test_unit_test_smscsim_receipts_LDADD = $(BASE_LIBS) $(SMPP34_LIBS)
test_unit_test_smscsim_radio_SOURCES = test/unit/test_smscsim_radio.c \
	contrib/smscsim/radio.c contrib/smscsim/radio.h \
	contrib/smscsim/sms.c contrib/smscsim/sms.h
test_unit_test_smscsim_radio_LDADD = $(BASE_LIBS) $(SMPP34_LIBS)
test_unit_test_smscsim_session_SOURCES = test/unit/test_smscsim_session.c \
	contrib/smscsim/pdu.c contrib/smscsim/pdu.h \
	contrib/smscsim/session.c contrib/smscsim/session.h
test_unit_test_smscsim_session_LDADD = $(BASE_LIBS) $(SMPP34_LIBS)
