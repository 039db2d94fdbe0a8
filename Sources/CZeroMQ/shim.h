#ifndef STARLING_CZEROMQ_SHIM_H
#define STARLING_CZEROMQ_SHIM_H

#include <zmq.h>

#include <sys/eventfd.h>

/* Swift's Glibc module has neither eventfd nor what needs _GNU_SOURCE. */

/* -1 and errno when the process has no descriptor left. */
static inline int starling_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/* Part of the C library in any case; declared here because its header hides it without _GNU_SOURCE. */
extern int pthread_setname_np(unsigned long thread, const char *name);

#endif
