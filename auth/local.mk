noinst_LIBRARIES += auth/libauth.a
auth_libauth_a_SOURCES =
