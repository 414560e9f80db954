# provbox-gateway and its unit tests.
sbin_PROGRAMS += provbox-gateway
provbox_gateway_SOURCES = \
	gateway/airnet.c gateway/airnet.h \
	gateway/authentication.c gateway/authentication.h \
	gateway/forward.c gateway/forward.h \
	gateway/gateway_config.c gateway/gateway_config.h \
	gateway/gateway_metrics.c gateway/gateway_metrics.h \
	gateway/landnet.c gateway/landnet.h \
	gateway/main.c \
	gateway/pool.c gateway/pool.h \
	gateway/refusal.c gateway/refusal.h \
	gateway/report.c gateway/report.h \
	gateway/route.c gateway/route.h \
	gateway/session.c gateway/session.h
provbox_gateway_LDADD = $(AUTH_LIBS)
