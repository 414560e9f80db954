#include "smsc/worker.h"

#include "base/db.h"
#include "base/schema.h"
#include "smsc/incoming.h"
#include "smsc/smsc_config.h"
#include "smsc/smsc_metrics.h"
#include "smsc/statements.h"

#define SWEEP_MS    250
#define HANDOVER_MS 2000

/* box_id and the name of a bearerbox, with a slash between. */
#define NAME_BYTES 80

/* The one worker of this process. */
static struct smsc_worker {
	struct worker *worker;
	const struct smsc_config *config;
	const struct bearerbox_config *bearerbox;
	char name[NAME_BYTES]; /* of the link, in the database */
	struct db *db;
	struct boxlink *link;
	struct window *window;
	struct store *store;
	struct notices *notices;
	struct incoming *incoming;
	struct timer sweep;
	int64_t unreported;     /* as the gauge has it */
	int64_t ack_timeout_ms; /* doubled while bearerbox answers nothing at all */
	int64_t handover_by_ms; /* until then we count as ready without a link */
	bool is_ready;
	bool is_stopping;
	bool is_bearerbox_ending;
} the;

/* bearerbox has our predecessor's connection, or had it a moment ago. */
static bool is_handing_over(void)
{
	return !the.link || loop_now_ms(the.worker->loop) < the.handover_by_ms;
}

/* A bearerbox that is away takes nothing down: the others serve its numbers. */
static void tell_ready(void)
{
	bool is_linked =
		the.link && (boxlink_is_up(the.link) || metrics_sum(SMSC_LINK_UP) > 0);

	the.is_ready = db_is_ready(the.db) && (is_linked || is_handing_over());
	worker_set_ready(the.worker, the.is_ready);
}

static void on_link_up(void *arg)
{
	(void)arg;
	metrics_add(SMSC_LINK_UP, 1);
	the.is_bearerbox_ending = false;
	tell_ready();
	notices_link_up(the.notices);
}

static void on_link_down(void *arg)
{
	(void)arg;
	metrics_add(SMSC_LINK_UP, -1);
	metrics_add(SMSC_RECONNECTS, 1);
	window_drop_unacked(the.window);
	notices_link_down(the.notices);
	tell_ready();
}

static void update_gauge(void)
{
	int64_t now = (int64_t)window_count(the.window);
	metrics_add(SMSC_UNREPORTED, now - the.unreported);
	the.unreported = now;
}

/* It waits for its boxes to go before it ends, and takes no more messages. */
static void on_link_command(int32_t command)
{
	if (command != BOX_SHUTDOWN && command != BOX_RESTART)
		return;
	the.is_bearerbox_ending = true;
	notices_link_down(the.notices);
}

static void on_link_message(void *arg, const struct box_message *message)
{
	(void)arg;
	if (message->type == BOX_ACK)
		the.ack_timeout_ms = the.config->ack_timeout_ms;
	if (message->type == BOX_ADMIN)
		on_link_command(message->admin.command);
	incoming_message(the.incoming, message);
	notices_advance(the.notices);
	update_gauge();
}

static void on_db_ready(void *arg, bool is_ready)
{
	(void)arg;
	metrics_add(SMSC_DATABASE_UP, is_ready ? 1 : -1);
	tell_ready();
}

static void on_store_progress(void *arg)
{
	(void)arg;
	if (store_count(the.store) < STORE_HIGH / 2)
		boxlink_release(the.link);
	notices_advance(the.notices);
	update_gauge();
}

/* bearerbox is stuck, or so busy that sending everything again would make it worse:
 * each time it gets longer to answer, but never so long that leases run out. */
static void leave_bearerbox(void)
{
	boxlink_reset(the.link, "ack_timeout");
	the.ack_timeout_ms *= 2;
	if (the.ack_timeout_ms > the.config->lease_ms / 2)
		the.ack_timeout_ms = the.config->lease_ms / 2;
}

/* Nothing that we said is without its answer: what bearerbox still sends us it keeps
 * for whoever comes next. */
static bool is_silent(void)
{
	return notices_are_idle(the.notices) &&
	       (!boxlink_is_up(the.link) || window_oldest_unacked_ms(the.window) < 0);
}

/* Nothing is under way any more, so that nothing will be sent twice. */
static bool has_come_to_rest(void)
{
	return is_silent() && store_count(the.store) == 0;
}

/* bearerbox has messages that the database failed; perhaps it takes them now. */
static bool is_time_to_redeliver(int64_t now_ms)
{
	int64_t kept_ms = incoming_kept_ms(the.incoming);
	return kept_ms > 0 && now_ms - kept_ms >= the.config->redeliver_ms;
}

/* What time does: parts expire, acknowledgements stay out, stopping ends. */
static void on_sweep(void *arg)
{
	int64_t now_ms = loop_now_ms(the.worker->loop);
	int64_t oldest_ms = window_oldest_unacked_ms(the.window);
	(void)arg;
	if (the.is_stopping && has_come_to_rest()) {
		loop_stop(the.worker->loop);
		return;
	}
	if (the.is_stopping && is_silent())
		boxlink_hold(the.link);
	if (oldest_ms >= 0 && now_ms - oldest_ms > the.ack_timeout_ms)
		leave_bearerbox();
	else if (the.is_bearerbox_ending && has_come_to_rest())
		boxlink_reset(the.link, "bearerbox_ends");
	else if (is_time_to_redeliver(now_ms) && has_come_to_rest())
		boxlink_reset(the.link, "redeliver");
	size_t n_expired = window_expire(the.window, now_ms);
	if (n_expired > 0) {
		metrics_add(SMSC_PARTS_UNREPORTED, (int64_t)n_expired);
		log_warn("parts_unreported", log_num("parts", (int64_t)n_expired));
		notices_advance(the.notices);
	}
	update_gauge();
	tell_ready();
	timer_start(&the.sweep, the.is_stopping ? SWEEP_MS / 10 : SWEEP_MS);
}

static bool open_db(void)
{
	const struct db_settings settings = {
		.dsn = the.config->dsn,
		.application_name = "provbox-smsc",
		.statements = statements,
		.n_statements = STATEMENT_N,
		.connections = (size_t)the.config->database_connections,
		.queue_limit = 2 * STORE_HIGH,
		.timeout_ms = the.config->database_timeout_ms,
		.prepare = the.config->prepare,
		.schema_version = SCHEMA_VERSION,
	};
	char why[256];
	the.db = db_open(the.worker->loop, &settings, why, sizeof(why));
	if (!the.db)
		config_log_error("dsn", why);
	return the.db != NULL;
}

static void open_link(void)
{
	const struct boxlink_settings settings = {
		.address = the.bearerbox->address,
		.box_id = the.config->box_id,
		.heartbeat_ms = the.config->heartbeat_ms,
		.connect_timeout_ms = the.config->connect_timeout_ms,
		.reconnect_max_ms = the.config->reconnect_max_ms,
	};
	static const struct boxlink_callbacks callbacks = {
		.on_up = on_link_up,
		.on_down = on_link_down,
		.on_message = on_link_message,
	};
	the.link = boxlink_new(the.worker->loop, &settings, &callbacks);
}

static void name_link(void)
{
	char label[METRICS_NAME_BYTES];
	snprintf(the.name, sizeof(the.name), "%s/%s", the.config->box_id,
		 the.bearerbox->title);
	snprintf(label, sizeof(label), "bearerbox=\"%s\"", the.bearerbox->title);
	metrics_name_slot(label);
}

bool smsc_worker_load(const void *top, void **secrets)
{
	const struct smsc_config *config = top;
	char why[512];
	if (!config->seal_key_file)
		return true;
	*secrets = seal_keys_load(config->seal_key_file, why, sizeof(why));
	if (!*secrets)
		config_log_error("seal_key_file", why);
	return *secrets != NULL;
}

bool smsc_worker_start(struct worker *worker)
{
	the.worker = worker;
	the.config = worker->config;
	the.bearerbox = smsc_config_bearerbox(the.config, worker->index);
	name_link();
	the.ack_timeout_ms = the.config->ack_timeout_ms;
	timer_init(&the.sweep, worker->loop, on_sweep, NULL);
	if (!open_db())
		return false;
	the.window = window_new((size_t)the.config->window);
	metrics_add(SMSC_WINDOW, the.config->window);
	the.store = store_new(worker->loop, the.db, the.config->give_up_ms);
	db_on_ready(the.db, on_db_ready, NULL);
	return true;
}

/* A reload: our predecessor has left bearerbox, which knows boxes by their name. */
void smsc_worker_take_over(struct worker *worker)
{
	if (the.is_ready)
		the.handover_by_ms = loop_now_ms(worker->loop) + HANDOVER_MS;
	open_link();
	const struct notices_parts out = { .config = the.config,
					   .name = the.name,
					   .keys = worker->secrets,
					   .db = the.db,
					   .link = the.link,
					   .window = the.window,
					   .store = the.store };
	the.notices = notices_new(worker->loop, &out);
	const struct incoming_parts in = { the.link, the.window, the.store,
					   the.notices };
	the.incoming = incoming_new(worker->loop, &in);
	store_on_progress(the.store, on_store_progress, NULL);
	timer_start(&the.sweep, SWEEP_MS);
}

void smsc_worker_stop(struct worker *worker)
{
	if (!the.link) {
		loop_stop(worker->loop);
		return;
	}
	the.is_stopping = true;
	notices_stop(the.notices);
	timer_start(&the.sweep, 0);
}

size_t smsc_worker_cut(struct worker *worker)
{
	(void)worker;
	return the.link && !has_come_to_rest() ? 1 : 0;
}
