#include "base/tls_slim.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/log.h"

#define KINDS_MAX 16 /* versions and ciphers; the context allows nine */

/* What connections of one version and cipher share. */
struct kind {
	int version;
	const SSL_CIPHER *cipher;
	SSL_CTX *bare;        /* knows no key, no anchor, no callback */
	SSL_SESSION *session; /* of nobody */
};

struct tls_slim {
	struct kind kinds[KINDS_MAX];
	size_t n;
	bool is_told; /* that it does nothing */
};

struct tls_slim *tls_slim_new(void)
{
	struct tls_slim *slim = calloc(1, sizeof(*slim));

	BUG_ON(!slim);
	return slim;
}

static void kind_clear(struct kind *kind)
{
	SSL_SESSION_free(kind->session);
	SSL_CTX_free(kind->bare);
}

void tls_slim_free(struct tls_slim *slim)
{
	if (!slim)
		return;
	for (size_t i = 0; i < slim->n; i++)
		kind_clear(&slim->kinds[i]);
	free(slim);
}

static const struct kind *kind_add(struct tls_slim *slim, const SSL *ssl)
{
	/* Of the very method: another would make OpenSSL begin the connection anew. */
	struct kind kind = { .version = SSL_version(ssl),
			     .cipher = SSL_get_current_cipher(ssl),
			     .bare = SSL_CTX_new(SSL_get_ssl_method(ssl)),
			     .session = SSL_SESSION_new() };

	if (slim->n < KINDS_MAX && kind.bare && kind.session &&
	    SSL_SESSION_set_protocol_version(kind.session, kind.version) == 1 &&
	    SSL_SESSION_set_cipher(kind.session, kind.cipher) == 1) {
		slim->kinds[slim->n] = kind;
		return &slim->kinds[slim->n++];
	}
	kind_clear(&kind);
	return NULL;
}

static const struct kind *kind_of(struct tls_slim *slim, const SSL *ssl)
{
	for (size_t i = 0; i < slim->n; i++)
		if (slim->kinds[i].version == SSL_version(ssl) &&
		    slim->kinds[i].cipher == SSL_get_current_cipher(ssl))
			return &slim->kinds[i];
	return kind_add(slim, ssl);
}

/* A program that was made with one often runs with another. From 3.2 on
 * SSL_set_session() begins a connection anew whose version has been chosen. */
static bool is_known_openssl(struct tls_slim *slim)
{
	if (OPENSSL_version_major() == 3 && OPENSSL_version_minor() == 0)
		return true;
	if (!slim->is_told)
		log_warn("tls_not_slim",
			 log_str("openssl", OpenSSL_version(OPENSSL_VERSION_STRING)),
			 log_str("why",
				 "connections keep the memory of their handshake, "
				 "as only OpenSSL 3.0 is known to let go of it"));
	slim->is_told = true;
	return false;
}

bool tls_slim_down(struct tls_slim *slim, SSL *ssl)
{
	const struct kind *kind;
	bool is_slim;

	if (!SSL_is_init_finished(ssl) || !SSL_is_server(ssl) ||
	    !is_known_openssl(slim))
		return false;
	ERR_clear_error();
	kind = kind_of(slim, ssl);
	is_slim = kind && SSL_set_SSL_CTX(ssl, kind->bare) == kind->bare &&
		  SSL_set_session(ssl, kind->session) == 1;
	ERR_clear_error();
	return is_slim;
}
