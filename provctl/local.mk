# provctl and its unit tests.
bin_PROGRAMS += provctl/provctl
provctl_provctl_SOURCES = \
	provctl/catalogue.c \
	provctl/command_line.c provctl/command_line.h \
	provctl/commands.c \
	provctl/csv.c provctl/csv.h \
	provctl/cutter.c provctl/cutter.h \
	provctl/database.c provctl/database.h \
	provctl/db.c \
	provctl/device.c \
	provctl/device_import.c \
	provctl/devices.c provctl/devices.h \
	provctl/doctor.c provctl/doctor.h \
	provctl/doctor_daemon.c \
	provctl/doctor_kannel.c \
	provctl/doctor_text.c \
	provctl/file.c provctl/file.h \
	provctl/grid.c provctl/grid.h \
	provctl/main.c \
	provctl/manifest.c provctl/manifest.h \
	provctl/migrate.c provctl/migrate.h \
	provctl/pg_type.h \
	provctl/notice.c \
	provctl/number.c \
	provctl/outbox.c \
	provctl/paint.c provctl/paint.h \
	provctl/plain.c provctl/plain.h \
	provctl/provctl.h \
	provctl/request.c \
	provctl/rows.c provctl/rows.h \
	provctl/trace.c \
	provctl/user.c \
	provctl/watch.c provctl/watch.h \
	provctl/who.c provctl/who.h

EXTRA_DIST += contrib/catalogue

check_PROGRAMS += \
	test/unit/test_command_line \
	test/unit/test_csv \
	test/unit/test_cutter \
	test/unit/test_database \
	test/unit/test_devices \
	test/unit/test_doctor \
	test/unit/test_doctor_daemon \
	test/unit/test_grid \
	test/unit/test_manifest \
	test/unit/test_migrate \
	test/unit/test_plain \
	test/unit/test_provctl_file \
	test/unit/test_rows \
	test/unit/test_who
test_unit_test_csv_SOURCES = test/unit/test_csv.c provctl/csv.c provctl/csv.h
test_unit_test_cutter_SOURCES = test/unit/test_cutter.c provctl/cutter.c \
	provctl/cutter.h
test_unit_test_command_line_SOURCES = test/unit/test_command_line.c \
	provctl/command_line.c provctl/command_line.h
test_unit_test_database_SOURCES = test/unit/test_database.c provctl/database.c \
	provctl/database.h
test_unit_test_devices_SOURCES = test/unit/test_devices.c provctl/devices.c \
	provctl/devices.h provctl/csv.c provctl/csv.h provctl/cutter.c provctl/cutter.h
test_unit_test_doctor_SOURCES = test/unit/test_doctor.c provctl/doctor.h \
	provctl/doctor_text.c
test_unit_test_doctor_daemon_SOURCES = test/unit/test_doctor_daemon.c \
	provctl/doctor.h provctl/doctor_daemon.c
test_unit_test_grid_SOURCES = test/unit/test_grid.c provctl/grid.c provctl/grid.h \
	provctl/paint.c provctl/paint.h provctl/plain.c provctl/plain.h
test_unit_test_manifest_SOURCES = test/unit/test_manifest.c provctl/manifest.c \
	provctl/manifest.h provctl/file.c provctl/file.h
test_unit_test_migrate_SOURCES = test/unit/test_migrate.c provctl/migrate.c \
	provctl/migrate.h provctl/database.c provctl/database.h provctl/file.c \
	provctl/file.h
test_unit_test_plain_SOURCES = test/unit/test_plain.c provctl/plain.c provctl/plain.h
test_unit_test_provctl_file_SOURCES = test/unit/test_provctl_file.c provctl/file.c \
	provctl/file.h
test_unit_test_who_SOURCES = test/unit/test_who.c provctl/who.c provctl/who.h
test_unit_test_rows_SOURCES = test/unit/test_rows.c provctl/rows.c provctl/rows.h

EXTRA_DIST += test/unit/caught.h test/unit/operator.h

fuzz_targets += test/fuzz/fuzz_devices
test_fuzz_fuzz_devices_SOURCES = test/fuzz/fuzz_devices.c provctl/csv.c provctl/csv.h \
	provctl/cutter.c provctl/cutter.h
