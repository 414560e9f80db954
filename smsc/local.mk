# Programs and unit tests of smsc/.

check_PROGRAMS += test/unit/test_text
test_unit_test_text_SOURCES = test/unit/test_text.c smsc/text.c smsc/text.h

check_PROGRAMS += test/unit/test_box
test_unit_test_box_SOURCES = test/unit/test_box.c smsc/box.c smsc/box.h
