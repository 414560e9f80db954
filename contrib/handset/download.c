#include "contrib/handset/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "contrib/handset/request.h"

#define STATUS_OK       200
#define STATUS_PARTIAL  206
#define STATUS_NO_RANGE 416

struct download {
	struct session *session;
	uint8_t sha256[SHA256_BYTES];
	int64_t size, offset; /* offset: bytes in the file */
	int64_t retries_left;
	int fd;
	bool is_checked;     /* the head of the present answer was looked at */
	const char *problem; /* found in the present answer */
	download_fn *fn;
	void *arg;
	struct timer next; /* what is done outside of the caller's turn */
};

static void begin_attempt(void *arg);

void download_path(const uint8_t sha256[SHA256_BYTES], char out[STORAGE_PATH_BYTES])
{
	char digest[2 * SHA256_BYTES + 1];

	hex_encode(slice_make(sha256, SHA256_BYTES), digest);
	snprintf(out, STORAGE_PATH_BYTES, "downloads/%s.part", digest);
}

void download_forget(const uint8_t sha256[SHA256_BYTES])
{
	char path[STORAGE_PATH_BYTES];

	download_path(sha256, path);
	if (!storage_remove(path))
		log_warn("not_removed", log_str("path", path));
}

static void finish(struct download *download, const char *reason)
{
	if (reason)
		log_warn("download_failed", log_str("reason", reason),
			 log_num("bytes", download->offset));
	else
		log_info("downloaded", log_num("bytes", download->offset));
	download->fn(download->arg, reason);
}

/* A file that is whole must be what was promised, or it is of no use. */
static void check_file(struct download *download)
{
	char path[STORAGE_PATH_BYTES];
	uint8_t digest[SHA256_BYTES];
	int64_t size;

	download_path(download->sha256, path);
	if (fsync(download->fd) != 0 || !storage_sha256(path, digest, &size)) {
		finish(download, "storage_failed");
	} else if (size != download->size ||
		   memcmp(digest, download->sha256, SHA256_BYTES) != 0) {
		download_forget(download->sha256);
		finish(download, "digest_mismatch");
	} else {
		finish(download, NULL);
	}
}

/* Repr-Digest: sha-256=:base64: (RFC 9530) of the whole, whatever range was sent. */
static bool digest_is_right(const struct download *download,
			    const struct http_head *head)
{
	char wanted[64], digest[4 * ((SHA256_BYTES + 2) / 3) + 1];
	const struct http_field *field = http_field(head, "Repr-Digest");

	base64_encode(slice_make(download->sha256, SHA256_BYTES), digest);
	snprintf(wanted, sizeof(wanted), "sha-256=:%s:", digest);
	return field && slice_eq(slice_trim(field->value), slice_of(wanted));
}

/* Content-Range: bytes FIRST-LAST/SIZE, with the FIRST that was asked for. */
static bool range_is_right(const struct download *download,
			   const struct http_head *head)
{
	const struct http_field *field = http_field(head, "Content-Range");
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "bytes %lld-%lld/%lld",
		 (long long)download->offset, (long long)download->size - 1,
		 (long long)download->size);
	return field && slice_eq(slice_trim(field->value), slice_of(wanted));
}

static const char *check_head(struct download *download, const struct http_head *head)
{
	if (!digest_is_right(download, head))
		return "digest_mismatch";
	if (head->status == STATUS_PARTIAL)
		return range_is_right(download, head) ? NULL : "download_failed";
	/* The server sends all of it: begin anew. */
	download->offset = 0;
	return ftruncate(download->fd, 0) == 0 ? NULL : "storage_failed";
}

static const char *write_block(struct download *download, struct evbuffer *body)
{
	int n;

	if ((uint64_t)download->offset + evbuffer_get_length(body) >
	    (uint64_t)download->size)
		return "digest_mismatch";
	while (evbuffer_get_length(body) > 0) {
		if (lseek(download->fd, download->offset, SEEK_SET) < 0 ||
		    (n = evbuffer_write(body, download->fd)) <= 0)
			return errno == ENOSPC || errno == EDQUOT ? "storage_full"
								  : "storage_failed";
		download->offset += n;
	}
	return NULL;
}

static bool on_body(void *arg, const struct http_head *head, struct evbuffer *body)
{
	struct download *download = arg;

	if (!download->is_checked)
		download->problem = check_head(download, head);
	download->is_checked = true;
	if (!download->problem)
		download->problem = write_block(download, body);
	return download->problem == NULL;
}

static void on_answer(void *arg, const struct session_answer *answer)
{
	struct download *download = arg;

	if (download->problem) {
		download_forget(download->sha256);
		finish(download, download->problem);
	} else if (answer->failure && download->is_checked &&
		   download->retries_left > 0) {
		log_warn("download_cut", log_str("reason", answer->failure),
			 log_num("bytes", download->offset));
		download->retries_left--;
		timer_start(&download->next, 0);
	} else if (answer->failure) {
		finish(download, answer->failure);
	} else if (answer->status == STATUS_NO_RANGE) {
		download_forget(download->sha256);
		finish(download, "download_failed");
	} else if (answer->status != STATUS_OK && answer->status != STATUS_PARTIAL) {
		finish(download, answer->reason ? answer->reason : "download_failed");
	} else {
		check_file(download);
	}
}

static void begin_attempt(void *arg)
{
	struct download *download = arg;
	char digest[2 * SHA256_BYTES + 1], target[128], range[64];
	struct http_field field = { SLICE("Range"), { NULL, 0 } };
	struct session_call call = { .method = HTTP_GET,
				     .target = target,
				     .fields = &field,
				     .on_body = on_body,
				     .on_answer = on_answer,
				     .arg = download };

	if (download->offset == download->size) {
		check_file(download);
		return;
	}
	hex_encode(slice_make(download->sha256, SHA256_BYTES), digest);
	snprintf(target, sizeof(target), "/v1/content/%s", digest);
	snprintf(range, sizeof(range), "bytes=%lld-", (long long)download->offset);
	field.value = slice_of(range);
	call.n_fields = download->offset > 0;
	download->is_checked = false;
	log_info("download", log_str("sha256", digest),
		 log_num("from", download->offset), log_num("of", download->size));
	session_call(download->session, &call);
}

static void on_no_file(void *arg)
{
	finish(arg, "storage_failed");
}

struct download *download_begin(struct loop *loop, struct session *session,
				const uint8_t sha256[SHA256_BYTES], int64_t size,
				int64_t retries, download_fn *fn, void *arg)
{
	struct download *download = calloc(1, sizeof(*download));
	char path[STORAGE_PATH_BYTES];
	struct stat status;

	BUG_ON(!download);
	*download = (struct download){ .session = session,
				       .size = size,
				       .retries_left = retries,
				       .fn = fn,
				       .arg = arg };
	memcpy(download->sha256, sha256, SHA256_BYTES);
	download_path(sha256, path);
	download->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (download->fd < 0 || fstat(download->fd, &status) != 0) {
		timer_init(&download->next, loop, on_no_file, download);
	} else {
		timer_init(&download->next, loop, begin_attempt, download);
		/* More than was promised cannot be right. */
		if (status.st_size <= size)
			download->offset = status.st_size;
		else if (ftruncate(download->fd, 0) != 0)
			log_warn("not_truncated", log_str("path", path));
	}
	timer_start(&download->next, 0);
	return download;
}

void download_free(struct download *download)
{
	if (!download)
		return;
	timer_cancel(&download->next);
	if (download->fd >= 0)
		close(download->fd);
	free(download);
}
