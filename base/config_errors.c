#include "base/config_errors.h"

#include <stdarg.h>

void config_errors_add(struct config_errors *errors, unsigned line, const char *format,
		       ...)
{
	va_list args;

	errors->n++;
	fprintf(errors->out, "%s:", errors->file);
	if (line > 0)
		fprintf(errors->out, "%u:", line);
	fputc(' ', errors->out);
	va_start(args, format);
	vfprintf(errors->out, format, args);
	va_end(args);
	fputc('\n', errors->out);
}
