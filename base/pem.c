#include "base/pem.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include "base/files.h"
#include "base/slice.h"

#define FILE_BYTES   (64 * 1024)
#define DER_SEQUENCE 0x30 /* a nought, too, which may begin a text */
#define DER_INTEGER  0x02

static bool holds(struct slice text, struct slice words)
{
	return memmem(text.p, text.n, words.p, words.n) != NULL;
}

static const char *mistake_in(struct slice text, enum pem_kind wanted)
{
	bool has_key = holds(text, SLICE(" PRIVATE KEY-----")) ||
		       holds(text, SLICE("-BEGIN PRIVATE KEY-----"));
	bool has_certificate = holds(text, SLICE("-BEGIN CERTIFICATE-----"));

	if (wanted == PEM_KEY && has_certificate && !has_key)
		return "; it holds a certificate: are key and certificate swapped?";
	if (wanted == PEM_CERTIFICATE && has_key && !has_certificate)
		return "; it holds a private key: are key and certificate swapped?";
	if (wanted == PEM_CERTIFICATE && holds(text, SLICE("-BEGIN CERTIFICATE REQ")))
		return "; it holds a request: have an authority sign it";
	if (text.n > 0 && text.p[0] == DER_SEQUENCE &&
	    memchr(text.p, DER_INTEGER, text.n))
		return wanted == PEM_KEY
			       ? "; it is DER: openssl pkey -inform DER -in FILE -out "
				 "NEW"
			       : "; it is DER: openssl x509 -inform DER -in FILE -out "
				 "NEW";
	return "";
}

const char *pem_mistake(const char *path, enum pem_kind wanted)
{
	int fd = open(files_path(path), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char *bytes = OPENSSL_malloc(FILE_BYTES);
	const char *words = "";

	ssize_t n = fd >= 0 && bytes ? read(fd, bytes, FILE_BYTES) : -1;
	if (n > 0)
		words = mistake_in(slice_make(bytes, (size_t)n), wanted);
	OPENSSL_clear_free(bytes, FILE_BYTES);
	if (fd >= 0)
		close(fd);
	return words;
}
