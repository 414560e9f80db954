# Sample features for handsets: what a catalogue of the demonstration delivers.

# A software module, in two versions; delivered over the air.
noinst_PROGRAMS += contrib/modules/callscreen contrib/modules/callscreen-2
contrib_modules_callscreen_SOURCES = contrib/modules/callscreen.c
contrib_modules_callscreen_LDADD =
contrib_modules_callscreen_2_SOURCES = contrib/modules/callscreen.c
contrib_modules_callscreen_2_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCALLSCREEN_VERSION='"2.0.0"'
contrib_modules_callscreen_2_LDADD =

# A feature from the factory, and what activates it; the program is in the handset
# (handset init --resident), the file comes over the air.
noinst_PROGRAMS += contrib/modules/voicemail
contrib_modules_voicemail_SOURCES = contrib/modules/voicemail.c
EXTRA_DIST += contrib/modules/voicemail.json

check_PROGRAMS += test/unit/test_modules
