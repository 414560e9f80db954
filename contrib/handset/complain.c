#include "contrib/handset/complain.h"

#include <stdio.h>

bool complain(const char *what, const char *why)
{
	fprintf(stderr, "handset: %s: %s\n", what, why);
	return false;
}
