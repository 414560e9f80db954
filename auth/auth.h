/*
 * The door of auth/: who a device is, what it may do, and the messages by which
 * gateway, server and device prove themselves to each other (protocol version 1).
 * Pure functions over bytes, but for loading keys and for the two processes that hold
 * some: the zone and the keyring. Knows no sockets, no HTTP, no database.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <openssl/ssl.h>
#include <stdio.h>

#include "base/child.h"
#include "base/codec.h"
#include "base/tls.h"

#define AUTH_DEV_CHARS     63  /* longest canonical identifier */
#define AUTH_SRV_CHARS     260 /* longest host:port */
#define AUTH_SID_BYTES     16
#define AUTH_NONCE_BYTES   32
#define AUTH_GRANT_BYTES   1024 /* longest grant, before base64url */
#define AUTH_PROOF_BYTES   8192 /* longest compact JWS */
#define AUTH_GRANT_SECONDS 600

/* ---- Standing and permission (standing.c) ---- */

enum standing {
	STANDING_ACTIVE,
	STANDING_UNPROVISIONED,
	STANDING_LIMITED,
	STANDING_BLOCKED,
	STANDING_UNKNOWN,
	STANDING_N,
};

/** What a route asks of a standing. */
enum permission {
	PERMISSION_CARE,      /* customer care and emergency information */
	PERMISSION_PROVISION, /* everything else */
	PERMISSION_N,
};

const char *standing_name(enum standing standing);
/** @return false when @p name is none; *out is then untouched */
bool standing_parse(struct slice name, enum standing *out);
const char *permission_name(enum permission permission);
/** The one table: standing x permission. */
bool standing_permits(enum standing standing, enum permission permission);

/* ---- Reason codes (reason.c) ---- */

/** Why a session, exchange or authentication ended; one row each in reason.c. What it
 * means and what to do stands in the server's table of reasons. */
enum auth_reason {
	REASON_NONE,
	/* before or at the verification of the device; alike outside (F16) */
	REASON_IDENTIFIER_MISSING,
	REASON_IDENTIFIER_AMBIGUOUS,
	REASON_IDENTIFIER_MALFORMED,
	REASON_IDENTIFIER_NOT_ALLOWED,
	REASON_CHANNEL_BINDING,
	/* at the server or on the way to it */
	REASON_ROUTE_UNKNOWN,
	REASON_LANDNET_UNREACHABLE,
	REASON_LANDNET_UNTRUSTED,
	REASON_LANDNET_BUSY,
	REASON_LANDNET_DESYNC,
	REASON_LANDNET_FAILED,
	REASON_AUTHENTICATION_TIMEOUT,
	REASON_AUTHENTICATION_REFUSED,
	REASON_AUTHENTICATION_UNAVAILABLE,
	REASON_AUTHENTICATION_MALFORMED,
	REASON_AUTHENTICATION_MISMATCH,
	REASON_PROOF_MISSING,
	REASON_PROOF_MALFORMED,
	REASON_PROOF_UNTRUSTED,
	REASON_PROOF_SIGNATURE,
	REASON_PROOF_MISMATCH,
	REASON_PROOF_GRANT_MISMATCH,
	REASON_GRANT_MISSING,
	REASON_GRANT_INVALID,
	REASON_GRANT_EXPIRED,
	REASON_GRANT_EPOCH,
	/* told to the authenticated device */
	REASON_DEVICE_UNKNOWN,
	REASON_DEVICE_BLOCKED,
	REASON_STANDING_LIMITED,
	/* the session's own */
	REASON_CLIENT_CLOSED,
	REASON_CLIENT_FAILED,
	REASON_IDLE_TIMEOUT, /* deadlines that the device missed */
	REASON_HEAD_TIMEOUT,
	REASON_BODY_TIMEOUT,
	REASON_WRITE_TIMEOUT,
	REASON_BODY_TOO_LARGE,
	REASON_ADMISSION_LIMITED, /* too many devices come at once */
	REASON_SUPERSEDED,        /* by newer sessions of the same credential */
	REASON_DRAINED,
	REASON_N,
};

/** Lower_snake_case; static. */
const char *auth_reason_name(enum auth_reason reason);
/** @return false when @p name is none of ours; *out is then untouched */
bool auth_reason_parse(struct slice name, enum auth_reason *out);

/* ---- Identity (identity.c) ---- */

/**
 * Bring an equipment identifier into its canonical form.
 * `urn:gsma:imei:TTTTTTTT-SSSSSS-C` (RFC 7254): lower-case prefix, the check digit,
 * where given, verified by Luhn and replaced by the spare digit 0.
 * `urn:device-id:meid:HHHHHHHHHHHHHH` (RFC 8464): 14 lower-case hex digits; a dash
 * after the eighth, where given, is dropped.
 * @return false when @p text is not one
 */
bool identity_canonical(struct slice text, char out[AUTH_DEV_CHARS + 1]);
/**
 * The one identifier that a verified device certificate names: exactly one SAN URI
 * of a known kind; never the CN; no NUL inside any URI. URIs of other kinds are
 * passed over.
 * @return REASON_NONE or one of REASON_IDENTIFIER_*
 */
enum auth_reason identity_of_certificate(const X509 *leaf,
					 char out[AUTH_DEV_CHARS + 1]);
/**
 * Bring `host[:port]` into srv form: lower case, the port always written.
 * @return false for anything but a DNS name or numeric address and a port
 */
bool identity_srv(struct slice host, unsigned default_port,
		  char out[AUTH_SRV_CHARS + 1]);
/** The name that the certificate of a server has: its srv without port and, for an IPv6
 * address, without brackets. @param srv  with its port, from identity_srv() */
void identity_srv_host(const char *srv, char out[AUTH_SRV_CHARS + 1]);

/* ---- Which CA may assert which identifier (authority.c) ---- */

enum authority_kind {
	AUTHORITY_IMEI,
	AUTHORITY_MEID,
	AUTHORITY_N_KINDS,
};

/** First digits of identifiers of one kind, without dashes, or "all". */
struct authority_prefixes {
	const char *const *items;
	size_t n; /* 0: none of that kind */
};

/** A CA, anchor or intermediate, by its key, and what may be asserted below it. */
struct authority {
	uint8_t spki[SHA256_BYTES];
	struct authority_prefixes may[AUTHORITY_N_KINDS];
};

/** Whether it is 1 to 14 decimal digits (IMEI) or lower-case hex digits (MEID), or
 * "all". */
bool authority_prefix_is_valid(enum authority_kind kind, struct slice prefix);
/**
 * Check the prefixes of a block of a configuration.
 * @param block   'gateway "g1"'
 * @param errors  a line with the key for each that is not valid
 */
bool authority_check_prefixes(const char *block,
			      const struct authority_prefixes may[AUTHORITY_N_KINDS],
			      FILE *errors);
/** Whether an identifier, canonical, begins with one of its kind. */
bool authority_covers(const struct authority_prefixes may[AUTHORITY_N_KINDS],
		      const char *dev);
/**
 * Whether those who vouch for a device may do so for this identifier: each of them that
 * has a rule allows it, and at least one has a rule.
 * @param n    0: there are no rules, and every trusted CA may assert everything
 * @param dev  canonical
 * @return REASON_NONE or REASON_IDENTIFIER_NOT_ALLOWED
 * Cost: n times the CAs of the chain. Source: doc/decisions/011-authorities.md.
 */
enum auth_reason authority_check(const struct authority *authorities, size_t n,
				 const struct tls_chain *chain, const char *dev);

/* ---- Keys (keys.c) ---- */

/**
 * Load a private key for TLS: an unencrypted PEM file that belongs to root or this
 * user and that nobody else may read; EC P-256 or P-384, Ed25519, RSA of 2048 to 4096
 * bits.
 * @return a new reference, or NULL with @p why, which names the file and the remedy
 */
EVP_PKEY *keys_load(const char *path, char *why, size_t why_size);
/**
 * Refuse a trust file with an anchor that is marked for demonstration (subject
 * O = "Provbox demo, not for production"): daemons take none without demo = yes.
 * @param key         of the configuration that names the file
 * @param trust_path  NULL: no file is named, and nothing refused
 * @return false after a line in @p errors
 */
bool keys_check_demo(const char *key, const char *trust_path, FILE *errors);

/* ---- TLS keys in a process of their own (keyring.c, signer.c) ---- */

#define KEYRING_KEYS_MAX  4
#define SIGNER_TIMEOUT_MS 1000

/** A key, and the side of TLS that it is for. */
struct keyring_key {
	const char *chain_path, *key_path; /* PEM; they must belong together */
	enum tls_role role;
	bool tls12;       /* TLS_SERVER: sign for TLS 1.2, too */
	const char *name; /* of its key in the configuration; for what is said of it */
};

/** The keys child's secrets. */
struct keyring;
/**
 * Load them, into locked memory where the system allows it.
 * @param n  at most KEYRING_KEYS_MAX
 * @return NULL with @p why, which names the file, and @p name of the key it is about
 */
struct keyring *keyring_load(const struct keyring_key *keys, size_t n,
			     const char **name, char *why, size_t why_size);
/** Wipes. */
void keyring_free(struct keyring *keyring);
/**
 * A child_handler_fn: @p keyring is the struct keyring. Signs what a TLS handshake of
 * the side that the key is for has to sign, to the byte, by the scheme that fits the
 * key, and nothing else.
 * @return length of the signature; -1 for everything else, one log line a second
 * Cost: one signature. Source: doc/decisions/005-keys-child.md.
 */
ssize_t keyring_answer(void *keyring, struct slice question, uint8_t *answer,
		       size_t cap);

/** A worker's way to the keyring. */
struct signer;
/** @param timeout_ms  longest wait for a signature: it holds up the whole worker */
struct signer *signer_new(int64_t timeout_ms);
/**
 * A key for a TLS context: the public half is that of the first certificate of the
 * chain, the private half is used by asking the keyring. A handshake that gets no
 * signature fails with TLS_FAILURE_KEY; while a keyring does not answer, most fail at
 * once instead of waiting.
 * @param signer  borrowed for the life of the key
 * @return a new reference, or NULL with @p why, which names the file
 */
EVP_PKEY *signer_key(struct signer *signer, const char *chain_path, char *why,
		     size_t why_size);
/** Before it nothing can be signed. @param fd  borrowed for the call; of hatch_make()
 */
void signer_open(struct signer *signer, int fd);
/** After every context and connection that uses a key of it. NULL is nothing. */
void signer_free(struct signer *signer);

/* ---- Encoding (encode.c) ---- */

/** Every label of the protocol; each is used for one thing. */
enum auth_label {
	AUTH_LABEL_GRANT,
	AUTH_LABEL_GRANT_PAYLOAD,
	AUTH_LABEL_ZONE_PROOF,
	AUTH_LABEL_SIGNATURE,
	AUTH_LABEL_N
};
const char *auth_label_text(enum auth_label label);
/**
 * E(label, f1..fn): label, 0x00, then each field as uint32 BE length and bytes; a
 * field with p = NULL is absent (0xFFFFFFFF alone).
 * @return bytes written, or 0 when @p cap is too small
 */
size_t auth_encode(enum auth_label label, const struct slice *fields, size_t n_fields,
		   uint8_t *out, size_t cap);
/** Inverse, exactly @p n_fields and nothing after. Slices point into @p bytes. */
bool auth_decode(enum auth_label label, struct slice bytes, struct slice *fields,
		 size_t n_fields);

/* ---- Authentication request and information (message.c) ---- */

/** What one airnet session and one authentication are bound to. */
struct auth_claims {
	uint8_t gw[SHA256_BYTES]; /* SPKI of the gateway's landnet certificate */
	char srv[AUTH_SRV_CHARS + 1];
	uint8_t sid[AUTH_SID_BYTES];
	uint8_t nonce[AUTH_NONCE_BYTES]; /* nG */
	char dev[AUTH_DEV_CHARS + 1];
	uint8_t cred[SHA256_BYTES];    /* leaf certificate of the device */
	uint8_t binding[SHA256_BYTES]; /* cbA */
};
#define AUTH_METHOD  "certificate"
#define AUTH_VERSION 1 /* of the messages, `v`; decision 021 */

/*
 * Encoders return a text in the arena, or NULL when that is full. Decoders take exactly
 * the members of doc/landnet.md and return false with @p why, which holds nothing of
 * the text; what is filled is then not to be looked at.
 */

/** Body of POST /v1/authentication. gw and srv are not in it. */
char *auth_request_encode(const struct auth_claims *claims, bool wants_proof,
			  struct arena *arena);
enum auth_fault {
	AUTH_FAULT_NONE,
	AUTH_FAULT_FORM,    /* not exactly the members, or one is not what it must be */
	AUTH_FAULT_METHOD,  /* well formed, but by a method that there is not */
	AUTH_FAULT_VERSION, /* of a later version, whatever its other members are */
};

/** Fills all of @p out but gw and srv, unless there is a fault. */
enum auth_fault auth_request_decode(struct slice json, struct auth_claims *out,
				    bool *wants_proof, char *why, size_t why_size)
	__attribute__((warn_unused_result));

struct auth_information {
	uint8_t sid[AUTH_SID_BYTES];
	uint8_t nonce[AUTH_NONCE_BYTES];
	enum standing standing;
	struct slice grant; /* raw bytes; empty: none */
	struct slice proof; /* compact JWS; empty: none */
};
/** Its answer. */
char *auth_information_encode(const struct auth_information *information,
			      struct arena *arena);
/** Grant and proof are copies in the arena. */
bool auth_information_decode(struct slice json, struct arena *arena,
			     struct auth_information *out, char *why, size_t why_size);

/** Answer of GET /.provbox/session, made by the gateway. */
char *auth_session_encode(const struct auth_claims *claims, enum standing standing,
			  struct slice proof, struct arena *arena);
/** The device's reading of it: gw, sid, nonce and standing filled, proof in the arena.
 */
bool auth_session_decode(struct slice json, struct arena *arena,
			 struct auth_claims *out, enum standing *standing,
			 struct slice *proof, char *why, size_t why_size);

/** Body of POST /v1/sessions/{sid}/end. */
char *auth_end_encode(const struct auth_claims *claims, enum auth_reason reason,
		      struct arena *arena);
/** Fills sid, dev and cred, unless there is a fault; never AUTH_FAULT_METHOD. */
enum auth_fault auth_end_decode(struct slice json, struct auth_claims *out,
				enum auth_reason *reason, char *why, size_t why_size)
	__attribute__((warn_unused_result));

/* ---- Grant (grant.c) ---- */

struct grant_keys;

/**
 * Read the MAC keys of one srv (base/keyfile.h): the first makes new grants, both are
 * accepted.
 * @return NULL with @p why, which names file, line and remedy, and holds no key
 */
struct grant_keys *grant_keys_load(const char *path, char *why, size_t why_size);
/** Wipes. */
void grant_keys_free(struct grant_keys *keys);

struct grant {
	struct auth_claims claims; /* nonce is not part of a grant */
	enum standing standing;
	int64_t epoch;
	int64_t issued_s, expires_s; /* Unix seconds */
};

/**
 * Make a grant with the first key.
 * @return bytes written to @p out
 * Cost: one HMAC over a duplicated context, 1 us. Source: doc/proof.md.
 */
size_t grant_make(const struct grant_keys *keys, const struct grant *grant,
		  uint8_t out[AUTH_GRANT_BYTES]);
/**
 * Verify and read a grant: MAC in constant time, then the bindings that the server
 * knows itself (gw of this peer, own srv), then expiry at @p now_s; one of a clock that
 * was ahead by as much as a grant lives has expired, too.
 * @param out  to be looked at only after REASON_NONE
 * @return REASON_NONE, REASON_GRANT_INVALID or REASON_GRANT_EXPIRED
 * Cost: as grant_make(). Source: doc/proof.md.
 */
enum auth_reason grant_open(const struct grant_keys *keys, struct slice bytes,
			    const uint8_t gw[SHA256_BYTES], const char *srv,
			    int64_t now_s, struct grant *out);
/** gh of a proof: SHA-256 of the grant's bytes; of the empty string when there is none.
 */
void grant_hash(struct slice grant, uint8_t out[SHA256_BYTES]);

/* ---- Proof and zone (proof.c, zone.c) ---- */

/** Whose proofs are believed for one srv: pinned thumbprints, or a root. */
struct proof_trust;

struct proof_trust_settings {
	const char *srv;
	const char *root_path;   /* PEM, or NULL */
	const char *const *pins; /* base64url RFC 7638 thumbprints, at most two */
	size_t n_pins;
};
/** @return owned by the caller; NULL with @p why when a root cannot be read, a pin is
 * no thumbprint, or there is neither */
struct proof_trust *proof_trust_new(const struct proof_trust_settings *settings,
				    char *why, size_t why_size);
void proof_trust_free(struct proof_trust *trust);

/**
 * Verify a proof and that each claim equals what the verifier knows itself.
 *
 * The gateway knows every claim. The device takes gw, sid and nonce from the message
 * around the proof (`claims` filled by auth_session_decode()) and gives its own dev,
 * srv, cred and binding; it does not know the grant and passes gh NULL.
 *
 * @param standing  checked to be equal to the claim
 * @param gh        expected grant hash, or NULL where it cannot be known
 * @return REASON_NONE or one of REASON_PROOF_*
 * Cost: one ECDSA verification for the signature and, under a root, one for each
 * certificate: 190 us by pin, 250 us by root. Nothing is remembered.
 * Source: doc/proof.md.
 */
enum auth_reason proof_verify(const struct proof_trust *trust, struct slice jws,
			      const struct auth_claims *claims, enum standing standing,
			      const uint8_t *gh);

/** The zone's secrets: proof key and the chain that goes into x5c. */
struct zone;
/**
 * Load them: an EC P-256 key of its own (as keys_load()), and a PEM chain of its leaf
 * and at most two intermediates, 4 KiB in base64.
 * @return NULL with @p why, which names the file
 */
struct zone *zone_load(const char *chain_path, const char *key_path, char *why,
		       size_t why_size);
/** Wipes. */
void zone_free(struct zone *zone);
/**
 * A child_handler_fn: @p zone is the struct zone. Builds a proof from fields, each of
 * its one form, and never signs given bytes.
 * @return length of the compact JWS; -1 for anything that is no question of
 *         zone_ask_proof(), or when @p cap is too small
 */
ssize_t zone_answer(void *zone, struct slice question, uint8_t *answer, size_t cap);
/**
 * Ask the zone for a proof over @p caller's channel. As child_ask(); the answer is the
 * compact JWS. Cost in the zone: 20 us.
 */
uint32_t zone_ask_proof(struct child_caller *caller, const struct auth_claims *claims,
			enum standing standing, const uint8_t gh[SHA256_BYTES],
			int64_t deadline_ms, child_answer_fn *fn, void *arg);

#endif
