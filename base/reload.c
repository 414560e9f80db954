#include "base/reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/systemd.h"
#include "base/time.h"

/* Source: sd_notify(3), RELOADING=1. */
static void tell_systemd(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	systemd_notify(text);
}

/* It ends the reload, well or not; what `systemctl status` shows stays until the next.
 */
static void tell_end(enum reload_result result, const char *why)
{
	char text[BOARD_WHY_BYTES + 64] = "READY=1\nSTATUS=";

	if (result != RELOAD_DONE)
		snprintf(text, sizeof(text), "READY=1\nSTATUS=last reload %s: %s",
			 board_result_name(result), why);
	systemd_notify(text);
}

void reload_begin(struct board *board, uint64_t number)
{
	board->reload.result = RELOAD_RUNNING;
	tell_systemd();
	log_info("reload", log_num("generation", (int64_t)number));
}

/* One line of plain text: it goes into JSON, and may quote what stands in a file. */
static void write_why(struct board_reload *reload, const char *why)
{
	size_t n = 0;

	for (; *why && n < sizeof(reload->why) - 3; why++) {
		if (*why == '\n' && why[1]) {
			reload->why[n++] = ';';
			reload->why[n++] = ' ';
		} else if (*why != '\n') {
			reload->why[n++] = *why >= 0x20 && *why < 0x7f ? *why : '?';
		}
	}
	reload->why[n] = '\0';
}

/* What a person does next. */
static const char *const next_steps[] = {
	[RELOAD_REFUSED] = "mend the file, try it with -t, reload; the old one goes on",
	[RELOAD_FAILED] = "mend it and reload; the old processes go on",
};

void reload_end(struct board *board, uint64_t number, enum reload_result result,
		const char *why)
{
	board->reload.at_ms = time_now_ms();
	board->reload.result = result;
	board->n_reloads[result]++;
	write_why(&board->reload, why);
	if (result == RELOAD_DONE)
		log_info("reloaded", log_num("generation", (int64_t)number));
	else
		log_error("reload_failed", log_num("generation", (int64_t)number),
			  log_str("result", board_result_name(result)),
			  log_str("why", board->reload.why),
			  log_str("next", next_steps[result]));
	tell_end(result, board->reload.why);
}
