/*
 * The schema that the programs of this tree are made for.
 */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

/** Number of the last migration in provisioning/sql; a lint compares the two. */
#define SCHEMA_VERSION 24

#endif
