#include "base/expiry.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/files.h"
#include "base/log.h"
#include "base/time.h"

void expiry_add(struct expiry_plan *plan, const char *key, const char *path)
{
	struct expiry_file *file = &plan->files[plan->n];

	if (plan->n == EXPIRY_FILES_MAX || !path || !*path)
		return;
	for (size_t i = 0; i < plan->n; i++)
		if (strcmp(plan->files[i].path, path) == 0)
			return;
	snprintf(file->key, sizeof(file->key), "%s", key);
	file->path = path;
	plan->n++;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : EXPIRY_NEVER;
}

static int64_t end_of_crl(const X509_CRL *crl)
{
	return seconds_of(X509_CRL_get0_nextUpdate(crl));
}

/* Whether another list of the same issuer ends later. */
static bool is_replaced(const STACK_OF(X509_INFO) *infos, int index)
{
	const X509_CRL *crl = sk_X509_INFO_value(infos, index)->crl;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		const X509_CRL *other = sk_X509_INFO_value(infos, i)->crl;
		if (i != index && other &&
		    X509_NAME_cmp(X509_CRL_get_issuer(crl),
				  X509_CRL_get_issuer(other)) == 0 &&
		    end_of_crl(other) > end_of_crl(crl))
			return true;
	}
	return false;
}

int64_t expiry_read(const char *path)
{
	BIO *bio = BIO_new_file(files_path(path), "r");
	STACK_OF(X509_INFO) *infos =
		bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
	int64_t end_s = EXPIRY_NEVER;

	for (int i = 0; infos && i < sk_X509_INFO_num(infos); i++) {
		const X509_INFO *info = sk_X509_INFO_value(infos, i);
		int64_t its_end_s = EXPIRY_NEVER;

		if (info->x509)
			its_end_s = seconds_of(X509_get0_notAfter(info->x509));
		else if (info->crl && !is_replaced(infos, i))
			its_end_s = end_of_crl(info->crl);
		if (its_end_s < end_s)
			end_s = its_end_s;
	}
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	BIO_free(bio);
	ERR_clear_error();
	return end_s;
}

bool expiry_tell(const struct expiry_file *file, int64_t end_s, int64_t now_s,
		 int64_t warning_ms)
{
	char end[25];

	if (end_s == EXPIRY_NEVER || end_s - now_s > warning_ms / 1000)
		return false;
	time_format(end_s * 1000, end);
	if (end_s <= now_s)
		log_error("expired", log_str("key", file->key),
			  log_str("file", file->path), log_str("end", end),
			  log_str("hint", "renew it, then reload"));
	else
		log_warn("expiring", log_str("key", file->key),
			 log_str("file", file->path), log_str("end", end),
			 log_num("seconds_left", end_s - now_s));
	return true;
}
