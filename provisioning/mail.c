#include "provisioning/mail.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/log.h"
#include "provisioning/mail_text.h"

#define LINE_CHARS 1000 /* of the file with the credentials */

/* {to, date, subject, language, text}: terms_mail() of the schema. */
#define PAYLOAD_SHAPE "{s:s%, s:s, s:s%, s:s, s:s%, !}"

struct mail {
	struct transfers *transfers;
	const struct service *service;
	const char *from;
	char *url; /* with the name that we greet by */
	char *user, *password;
};

/* One message under way. */
struct message {
	struct effect *effect;
	struct curl_slist *to, *fields, *part_fields;
	curl_mime *mime;
};

enum mail_verdict mail_judge(unsigned code)
{
	return code == 550 || code == 551 || code == 553 || code == 556 ? MAIL_REFUSED
									: MAIL_FAILED;
}

/* ---- Loading ---- */

/* "user:password" on a line. */
static bool read_credentials(struct mail *mail, const char *path)
{
	char line[LINE_CHARS];
	FILE *file = fopen(files_path(path), "r");
	bool is_read = file && fgets(line, sizeof(line), file);
	if (file)
		fclose(file);
	if (!is_read)
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	char *colon = strchr(line, ':');
	bool is_good = colon && colon > line && colon[1];
	if (is_good) {
		*colon = '\0';
		mail->user = strdup(line);
		mail->password = strdup(colon + 1);
		BUG_ON(!mail->user || !mail->password);
	}
	explicit_bzero(line, sizeof(line));
	return is_good;
}

static void mail_free(struct mail *mail)
{
	free(mail->url);
	free(mail);
}

static bool mail_load(const struct server_config *config, void **secrets)
{
	const struct mail_config *from = &config->mail;
	*secrets = NULL;
	if (!*from->server.url)
		return true;
	struct mail *mail = calloc(1, sizeof(*mail));
	BUG_ON(!mail);
	mail->from = from->from;
	struct slice domain = mail_text_domain(slice_of(from->from));
	BUG_ON(asprintf(&mail->url, "%s/%.*s", from->server.url, (int)domain.n,
			domain.p) < 0);
	bool is_good = !from->credentials || read_credentials(mail, from->credentials);
	if (!is_good)
		config_log_error("mail_credentials",
				 "holds no user:password on a line");
	else
		mail->service = service_load(&from->server, "mail");
	if (!mail->service) {
		mail_free(mail);
		return false;
	}
	*secrets = mail;
	return true;
}

static void *mail_open(void *secrets, struct transfers *transfers)
{
	struct mail *mail = secrets;
	mail->transfers = transfers;
	return mail;
}

static int64_t mail_timeout_ms(const struct server_config *config)
{
	return config->mail.server.timeout_ms;
}

/* ---- The message ---- */

static void on_sent(void *arg, CURL *easy, const char *why)
{
	struct message *message = arg;
	struct effect *effect = message->effect;
	long code = 0;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
	curl_mime_free(message->mime);
	curl_slist_free_all(message->to);
	curl_slist_free_all(message->fields);
	free(message);
	if (!*why)
		effect_done(effect, (unsigned)code);
	else
		effect_fail(effect, (unsigned)code, why,
			    mail_judge((unsigned)code) == MAIL_REFUSED);
}

static void list_add(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);
	BUG_ON(!longer);
	*list = longer;
}

/* A text that is written to a stream; end_text() gives it. */
struct text {
	char *p;
	size_t n;
	FILE *out;
};

static FILE *begin_text(struct text *text)
{
	text->out = open_memstream(&text->p, &text->n);
	BUG_ON(!text->out);
	return text->out;
}

static void end_field(struct text *text, struct message *message)
{
	BUG_ON(fclose(text->out) != 0);
	list_add(&message->fields, text->p);
	free(text->p);
}

static void add_fields(struct message *message, const struct mail *mail,
		       struct slice to, const char *date, struct slice subject)
{
	struct text text;
	fprintf(begin_text(&text), "Date: %s", date);
	end_field(&text, message);
	fprintf(begin_text(&text), "From: <%s>", mail->from);
	end_field(&text, message);
	fprintf(begin_text(&text), "To: <%.*s>", (int)to.n, to.p);
	end_field(&text, message);
	fprintf(begin_text(&text), "Subject: ");
	mail_text_write_words(text.out, subject);
	end_field(&text, message);
	fprintf(begin_text(&text), "Message-ID: ");
	mail_text_write_id(text.out, message->effect->key,
			   mail_text_domain(slice_of(mail->from)));
	end_field(&text, message);
	list_add(&message->fields, "Auto-Submitted: auto-generated"); /* RFC 3834, 5 */
}

/* One part of text; libcurl encodes it and says so. */
static void add_text(struct message *message, CURL *easy, struct slice body,
		     const char *language)
{
	struct text text;
	struct curl_slist *fields = NULL;
	char field[64];
	message->mime = curl_mime_init(easy);
	curl_mimepart *part = message->mime ? curl_mime_addpart(message->mime) : NULL;
	snprintf(field, sizeof(field), "Content-Language: %s", language);
	list_add(&fields, field);
	mail_text_write_lines(begin_text(&text), body);
	BUG_ON(fclose(text.out) != 0);
	BUG_ON(!part || curl_mime_data(part, text.p, text.n) != CURLE_OK ||
	       curl_mime_type(part, "text/plain; charset=utf-8") != CURLE_OK ||
	       curl_mime_encoder(part, "quoted-printable") != CURLE_OK ||
	       curl_mime_headers(part, fields, 1) != CURLE_OK);
	free(text.p);
}

/*
 * After a refusal libcurl takes its leave, and waits for the answer to QUIT without
 * coming back to the loop. Here it tells of each line, that one among them, as soon as
 * it has sent it; no line is kept or logged.
 */
static int on_line(CURL *easy, curl_infotype kind, char *line, size_t n, void *arg)
{
	(void)arg;
	if (kind == CURLINFO_HEADER_OUT &&
	    slice_eq(slice_make(line, n), SLICE("QUIT\r\n")))
		transfer_stop_reading(easy);
	return 0;
}

static void set_server(CURL *easy, const struct mail *mail)
{
	service_demand(mail->service, easy);
	TRANSFER_SET(easy, PROTOCOLS_STR, "smtp,smtps");
	TRANSFER_SET(easy, USE_SSL, (long)CURLUSESSL_ALL);
	TRANSFER_SET(easy, URL, mail->url);
	TRANSFER_SET(easy, TIMEOUT_MS, (long)mail->service->timeout_ms);
	TRANSFER_SET(easy, DEBUGFUNCTION, on_line);
	TRANSFER_SET(easy, VERBOSE, 1L);
	/* Where QUIT could not even be sent, it is what libcurl's patience is limited
	 * by. */
	TRANSFER_SET(easy, SERVER_RESPONSE_TIMEOUT,
		     (long)(mail->service->timeout_ms + 999) / 1000);
	if (mail->user) {
		TRANSFER_SET(easy, USERNAME, mail->user);
		TRANSFER_SET(easy, PASSWORD, mail->password);
	}
	TRANSFER_SET(easy, MAIL_FROM, mail->from);
}

static bool is_line(const char *text)
{
	return strcspn(text, "\r\n") == strlen(text);
}

static void message_send(const struct mail *mail, struct effect *effect,
			 struct slice to, const char *date, struct slice subject,
			 const char *language, struct slice body)
{
	struct message *message = calloc(1, sizeof(*message));
	CURL *easy = curl_easy_init();
	char address[MAIL_ADDRESS_CHARS + 1];
	BUG_ON(!message || !easy);
	message->effect = effect;
	snprintf(address, sizeof(address), "%.*s", (int)to.n, to.p);
	list_add(&message->to, address);
	add_fields(message, mail, to, date, subject);
	add_text(message, easy, body, language);
	set_server(easy, mail);
	TRANSFER_SET(easy, MAIL_RCPT, message->to);
	TRANSFER_SET(easy, HTTPHEADER, message->fields);
	TRANSFER_SET(easy, MIMEPOST, message->mime);
	transfers_begin(mail->transfers, easy, on_sent, message);
}

/* The schema refuses other addresses, too; but it is the last to look at what goes
 * into the talk with the server. */
static void mail_begin(void *state, struct effect *effect, struct slice payload)
{
	struct slice to, subject, body;
	const char *date, *language;
	json_t *root = json_loadb(payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	if (root &&
	    json_unpack(root, PAYLOAD_SHAPE, "to", &to.p, &to.n, "date", &date,
			"subject", &subject.p, &subject.n, "language", &language,
			"text", &body.p, &body.n) == 0 &&
	    mail_text_is_address(to) && is_line(date) && is_line(language))
		message_send(state, effect, to, date, subject, language, body);
	else
		effect_fail(effect, 0, "the row is no message", true);
	json_decref(root);
}

const struct effect_kind mail_kind = {
	.name = "mail",
	.in_hand = 16,
	.metrics = SERVER_MAIL_DONE,
	.load = mail_load,
	.open = mail_open,
	.timeout_ms = mail_timeout_ms,
	.begin = mail_begin,
};
