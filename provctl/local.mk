# provctl and its unit tests.
bin_PROGRAMS += provctl/provctl
provctl_provctl_SOURCES = \
	provctl/catalogue.c \
	provctl/command_line.c provctl/command_line.h \
	provctl/commands.c \
	provctl/csv.c provctl/csv.h \
	provctl/database.c provctl/database.h \
	provctl/db.c \
	provctl/device.c \
	provctl/devices.c provctl/devices.h \
	provctl/file.c provctl/file.h \
	provctl/grid.c provctl/grid.h \
	provctl/main.c \
	provctl/manifest.c provctl/manifest.h \
	provctl/migrate.c provctl/migrate.h \
	provctl/pg_type.h \
	provctl/progress.c provctl/progress.h \
	provctl/provctl.h \
	provctl/request.c \
	provctl/rows.c provctl/rows.h

EXTRA_DIST += contrib/catalogue

check_PROGRAMS += test/unit/test_csv
test_unit_test_csv_SOURCES = test/unit/test_csv.c provctl/csv.c provctl/csv.h
