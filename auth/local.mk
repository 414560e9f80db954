noinst_LIBRARIES += auth/libauth.a
auth_libauth_a_SOURCES = \
	auth/auth.h \
	auth/encode.c \
	auth/grant.c \
	auth/identity.c \
	auth/keys.c \
	auth/message.c \
	auth/proof.c \
	auth/reason.c \
	auth/standing.c \
	auth/zone.c
