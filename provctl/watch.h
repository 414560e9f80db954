/*
 * --watch: a command again and again, for people who would type it again and again. On
 * a terminal one screen in one place; elsewhere what it prints, whenever that is
 * another.
 */
#ifndef PROVCTL_WATCH_H
#define PROVCTL_WATCH_H

#include "provctl/provctl.h"

/**
 * Run the command every two seconds until a signal ends the program.
 *
 * The arena is emptied before each turn. A turn that shows nothing ends the watch,
 * unless it is a later one and the database was away: that is told, and it is asked
 * again.
 *
 * @param run  borrowed; prints to stdout
 */
enum result watch(struct context *ctx, enum result (*run)(struct context *ctx));

#endif
