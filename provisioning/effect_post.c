#include "provisioning/effect_post.h"

static void on_posted(void *arg, const struct post_answer *answer)
{
	enum post_verdict verdict = post_judge(answer->status);
	if (verdict == POST_DONE)
		effect_done(arg, answer->status);
	else
		effect_fail(arg, answer->status, answer->why, verdict == POST_REFUSED);
}

void effect_post(void *poster, struct effect *effect, struct slice payload)
{
	poster_post(poster, payload, effect->key, on_posted, effect);
}
