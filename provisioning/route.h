/*
 * The calls that provbox-server answers, one row each: what is asked (method, path,
 * body), who may ask (a permission, or any known gateway), what the database is asked,
 * and the two functions around that statement. A new call is one row.
 */
#ifndef PROVISIONING_ROUTE_H
#define PROVISIONING_ROUTE_H

#include "auth/auth.h"
#include "base/db.h"
#include "base/http.h"
#include "provisioning/statement.h"

#define ROUTE_ARGS_MAX 2

struct api_call;

/** Who may call. */
enum route_access {
	ROUTE_GATEWAY, /* a known gateway, for itself */
	ROUTE_DEVICE,  /* a device: with a grant, and the route's permission */
};

struct route {
	enum http_method method;
	const char *pattern; /* {uuid} {sha256} {sid} {item} stand for one segment */
	enum route_access access;
	enum permission permission; /* of ROUTE_DEVICE */
	size_t body_limit;          /* bytes; 0: the call has no body */
	enum statement statement;
	/* Append the statement's parameters (of ROUTE_DEVICE: after device, epoch and
	 * permission). False after it has refused the call. */
	bool (*fill)(struct api_call *call, struct db_param *params, size_t *n);
	/* Answer from the statement's rows. */
	void (*answer)(struct api_call *call, const PGresult *result);
};

struct route_match {
	const struct route *route; /* NULL: none, see allow */
	struct slice args[ROUTE_ARGS_MAX];
	struct slice request_id; /* the {uuid} among them */
	char allow[32];          /* methods of the path; "": no such path */
};

extern const struct route routes[];
extern const size_t routes_count;

/** Find the row of a request. A target with a query matches none. */
void route_find(enum http_method method, struct slice target, struct route_match *out);

#endif
