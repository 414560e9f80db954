/*
 * A configuration file as libconfuse reads it: which values and blocks stand in it, and
 * on which lines. Adds what libconfuse lacks: a key that is given twice is an error,
 * and all unknown keys are told at once. Knows which keys there are, not what may be
 * said with them. For config.c alone; one tree is read at a time.
 */
#ifndef BASE_CONFIG_TREE_H
#define BASE_CONFIG_TREE_H

#include "base/arena.h"
#include "base/config.h"
#include "base/config_errors.h"

struct config_tree;

/** The top level, or a titled block. */
struct config_block {
	const char *title; /* borrowed from the tree; NULL: the top */
	unsigned line;     /* its last; 0: the top */
	struct cfg_t *inside;
};

struct config_items {
	struct slice *p;
	size_t n;
};

/**
 * @param text  what config_scan_clean() returned; overwritten
 * @return NULL after at least one error
 */
struct config_tree *config_tree_new(const struct config_spec *spec, char *text,
				    struct config_errors *errors);
/** NULL is nothing. */
void config_tree_free(struct config_tree *tree);

/** The keys that stand in no block. */
struct config_block config_tree_top(const struct config_tree *tree);
/** How many blocks of a section there are. */
size_t config_tree_count(const struct config_tree *tree, const char *section);
/** The @p i th of them, below config_tree_count(). */
struct config_block config_tree_block(const struct config_tree *tree,
				      const char *section, size_t i);
/** The line on which a key of a block is set; 0: it is not. */
unsigned config_tree_line(const struct config_tree *tree,
			  const struct config_block *block, const char *key);
/** What a key of a block is set to, copied to the arena. */
struct config_items config_tree_items(const struct config_block *block, const char *key,
				      struct arena *arena);
/** What a key is when it is not set: the items of its fallback. */
struct config_items config_tree_fallback(const struct config_key *key,
					 struct arena *arena);

#endif
