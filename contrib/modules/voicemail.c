/*
 * voicemail: a sample feature that is in the handset from the factory but does nothing
 * until it is activated (seed cl 3 and 4). The activation file comes over the air:
 *
 *	{"v":1, "feature":"voicemail", "token":"<32 bytes, base64url>"}
 *
 * The program holds only the digest of the token that unlocks it, so that neither a
 * file that says "on" nor a changed token turns it on.
 *
 *	voicemail --version
 *	voicemail --status [ACTIVATION]         prints on or off
 *	voicemail --greet ACTIVATION NAME       the greeting; ends with 1 when it is off
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/json.h"

#define FEATURE          "voicemail"
#define PROGRAM_VERSION  "1.0.0"
#define TOKEN_BYTES      32
#define ACTIVATION_BYTES 4096
#define LABEL_BYTES      sizeof(FEATURE) /* with its NUL */

/* SHA-256 of the feature's name, a NUL, and the token. */
static const uint8_t unlocked_by[SHA256_BYTES] = {
	0xb2, 0xa0, 0x78, 0xa3, 0x3d, 0x1e, 0x78, 0x88, 0xd0, 0x80, 0x7d,
	0x7c, 0xfd, 0x0b, 0x24, 0xb9, 0x13, 0x81, 0xe0, 0x0d, 0x7c, 0x5c,
	0x31, 0x17, 0xf7, 0x1f, 0xc8, 0xf4, 0xd3, 0x3e, 0x91, 0xd1,
};

struct activation {
	int64_t v;
	struct slice feature;
	struct json_bytes token;
};
static const struct json_member members[] = {
	{ "v", JSON_INT, offsetof(struct activation, v), 1, 1 },
	{ "feature", JSON_TEXT, offsetof(struct activation, feature), 1, 64 },
	{ "token", JSON_BYTES, offsetof(struct activation, token), TOKEN_BYTES,
	  TOKEN_BYTES },
};
#define MEMBERS_N (sizeof(members) / sizeof(members[0]))

static bool unlocks(const struct activation *activation)
{
	uint8_t bytes[LABEL_BYTES + TOKEN_BYTES] = FEATURE;
	uint8_t digest[SHA256_BYTES];

	memcpy(bytes + LABEL_BYTES, activation->token.p, TOKEN_BYTES);
	sha256(slice_make(bytes, sizeof(bytes)), digest);
	return slice_eq(activation->feature, SLICE(FEATURE)) &&
	       slice_eq_secret(slice_make(digest, sizeof(digest)),
			       slice_make(unlocked_by, sizeof(unlocked_by)));
}

static bool is_activated(const char *path)
{
	char text[ACTIVATION_BYTES], why[128];
	struct activation activation;
	FILE *file = path ? fopen(path, "rb") : NULL;
	json_t *json;
	size_t n;
	bool is_on;

	if (!file)
		return false;
	n = fread(text, 1, sizeof(text), file);
	fclose(file);
	json = json_parse(slice_make(text, n), why, sizeof(why));
	is_on = json &&
		json_read(json, members, MEMBERS_N, &activation, why, sizeof(why)) &&
		unlocks(&activation);
	json_decref(json);
	return is_on;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "--version") == 0 && argc == 2) {
		printf(FEATURE " " PROGRAM_VERSION "\n");
		return EXIT_SUCCESS;
	}
	if (strcmp(command, "--status") == 0 && argc <= 3) {
		printf("%s\n", is_activated(argv[2]) ? "on" : "off");
		return EXIT_SUCCESS;
	}
	if (strcmp(command, "--greet") == 0 && argc == 4) {
		if (!is_activated(argv[2]))
			return EXIT_FAILURE;
		printf("You have reached %s. Please leave a message.\n", argv[3]);
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "usage: voicemail --version | --status [ACTIVATION] | "
			"--greet ACTIVATION NAME\n");
	return 2;
}
