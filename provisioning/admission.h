/*
 * What is checked of a call while only its head is there: who sends it, that the
 * connection is in step, the grant, the route, the shape of the body. Nothing of the
 * body is read before, and nothing reaches the database.
 */
#ifndef PROVISIONING_ADMISSION_H
#define PROVISIONING_ADMISSION_H

#include "provisioning/api.h"

/** Fill route and claims of a new call. @return false after refusing it */
bool admission_check(struct api_call *call);

#endif
