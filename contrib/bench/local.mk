# The bench: make bench, or make bench BENCH='NAME...'; make bench BENCH=help names them.

noinst_PROGRAMS += contrib/bench/bench
contrib_bench_bench_SOURCES = \
	contrib/bench/box.c \
	contrib/bench/caller.c contrib/bench/caller.h \
	contrib/bench/devices.c contrib/bench/devices.h \
	contrib/bench/held.c \
	contrib/bench/load.c \
	contrib/bench/main.c \
	contrib/bench/part.h \
	contrib/bench/pulse.c contrib/bench/pulse.h \
	contrib/bench/settings.c contrib/bench/settings.h \
	contrib/bench/slow.c \
	contrib/bench/step.c \
	contrib/bench/ticks.c contrib/bench/ticks.h \
	contrib/bench/unit.c \
	contrib/bench/upstream.c \
	contrib/bench/waits.c contrib/bench/waits.h \
	contrib/handset/device_certificate.c contrib/handset/device_certificate.h \
	smsc/box.c smsc/box.h smsc/boxlink.c smsc/boxlink.h
contrib_bench_bench_LDADD = $(AUTH_LIBS)

# A gateway whose workers read their keys themselves, for the bench alone.
noinst_PROGRAMS += contrib/bench/gateway-at-hand
contrib_bench_gateway_at_hand_SOURCES = contrib/bench/signer_at_hand.c \
	$(provbox_gateway_SOURCES)
contrib_bench_gateway_at_hand_LDADD = $(AUTH_LIBS)

BENCH =
.PHONY: bench
bench: all
	$(FLOW_ENV) $(PYTHON) $(srcdir)/contrib/bench/run $(BENCH)

EXTRA_DIST += contrib/bench/run contrib/bench/charts.py contrib/bench/cluster.py \
	contrib/bench/cpu.py contrib/bench/growth.py contrib/bench/held.py contrib/bench/keys.py \
	contrib/bench/honest.py contrib/bench/notices.py \
	contrib/bench/parts.py contrib/bench/provisioning.py contrib/bench/proxies.py \
	contrib/bench/report.py \
	contrib/bench/step.py \
	contrib/bench/haproxy.cfg contrib/bench/nginx.conf
