/*
 * Preloaded into a program under test: one call of one of its processes fails. What
 * fails is named in a file that the test shares with it (struct plan): the n-th call
 * that is made in the process of a role while the plan is armed. Calls are those to the
 * system by which sockets, pipes, hatches and random bytes are used, whoever makes
 * them; or those for memory that the program itself makes, not its libraries.
 *
 * Processes of a daemon tell their role by prctl(PR_SET_NAME).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	FAIL_CALLS = 1,
	FAIL_MEMORY = 2,
};

/* As test/flow/harness/failing.py writes and reads it. */
struct plan {
	uint32_t armed; /* 0, or what fails */
	uint32_t n;     /* the first is 1 */
	uint32_t count; /* of calls so far */
	int32_t error;  /* errno; 0: one that the call may have */
	char role[16];
	char failed[16]; /* the call that did */
};

static struct plan *plan;
static char own_role[16];
static uintptr_t program_begin, program_end;

/* The first object is the program itself. */
static int note_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	program_begin = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
		if (header->p_type == PT_LOAD && end > program_end)
			program_end = end;
	}
	return 1;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAILING_CALLS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	dl_iterate_phdr(note_program, NULL);
	if (fd < 0)
		return;
	void *shared =
		mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared != MAP_FAILED)
		plan = shared;
}

/* Whether this call is the one. */
static int fails(uint32_t what, const char *name, int error)
{
	if (!plan || !own_role[0] ||
	    __atomic_load_n(&plan->armed, __ATOMIC_ACQUIRE) != what ||
	    strcmp(own_role, plan->role) != 0 ||
	    __atomic_add_fetch(&plan->count, 1, __ATOMIC_ACQ_REL) != plan->n)
		return 0;
	memcpy(plan->failed, name, strlen(name) + 1);
	errno = plan->error ? plan->error : error;
	return 1;
}

static int interrupts(void)
{
	return plan && plan->error == EINTR;
}

/* The function of that name behind this one. */
#define REAL(name)                                              \
	__extension__({                                         \
		static __typeof__(&name) real;                  \
		if (!real) {                                    \
			void *found_ = dlsym(RTLD_NEXT, #name); \
			memcpy(&real, &found_, sizeof(real));   \
		}                                               \
		real;                                           \
	})

#define FAILING(type, name, error, parameters, arguments)                      \
	type name parameters                                                   \
	{                                                                      \
		return fails(FAIL_CALLS, #name, error) ? (type)-1              \
						       : REAL(name) arguments; \
	}
/* One that no signal interrupts. */
#define FAILING_WHOLE(type, name, error, parameters, arguments)         \
	type name parameters                                            \
	{                                                               \
		return !interrupts() && fails(FAIL_CALLS, #name, error) \
			       ? (type)-1                               \
			       : REAL(name) arguments;                  \
	}

FAILING(ssize_t, read, EIO, (int fd, void *p, size_t n), (fd, p, n))
FAILING(ssize_t, write, EIO, (int fd, const void *p, size_t n), (fd, p, n))
FAILING(ssize_t, readv, EIO, (int fd, const struct iovec *v, int n), (fd, v, n))
FAILING(ssize_t, writev, EIO, (int fd, const struct iovec *v, int n), (fd, v, n))
FAILING(ssize_t, recv, ECONNRESET, (int fd, void *p, size_t n, int flags),
	(fd, p, n, flags))
FAILING(ssize_t, send, ECONNRESET, (int fd, const void *p, size_t n, int flags),
	(fd, p, n, flags))
FAILING(int, accept4, EMFILE,
	(int fd, struct sockaddr *address, socklen_t *size, int flags),
	(fd, address, size, flags))
FAILING_WHOLE(int, socket, EMFILE, (int domain, int type, int protocol),
	      (domain, type, protocol))
FAILING(int, connect, ENETUNREACH,
	(int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
FAILING_WHOLE(int, setsockopt, ENOBUFS,
	      (int fd, int level, int name, const void *p, socklen_t n),
	      (fd, level, name, p, n))
FAILING_WHOLE(int, getsockopt, ENOBUFS,
	      (int fd, int level, int name, void *p, socklen_t *n),
	      (fd, level, name, p, n))
FAILING_WHOLE(int, getpeername, ENOBUFS, (int fd, struct sockaddr *p, socklen_t *n),
	      (fd, p, n))
FAILING_WHOLE(int, shutdown, ENOTCONN, (int fd, int how), (fd, how))
FAILING_WHOLE(int, epoll_ctl, ENOMEM,
	      (int fd, int op, int of, struct epoll_event *event), (fd, op, of, event))
FAILING(ssize_t, getrandom, EAGAIN, (void *p, size_t n, unsigned flags), (p, n, flags))

/* By number: waiting at a hatch. */
long syscall(long number, ...)
{
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (size_t i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_futex_waitv && fails(FAIL_CALLS, "futex_waitv", ENOMEM))
		return -1;
	if (number == SYS_futex && (int)arguments[1] == FUTEX_WAIT_BITSET &&
	    fails(FAIL_CALLS, "futex", EFAULT))
		return -1;
	return REAL(syscall)(number, arguments[0], arguments[1], arguments[2],
			     arguments[3], arguments[4], arguments[5]);
}

/* Not counted: it is by this that processes tell who they are. */
int prctl(int option, ...)
{
	unsigned long arguments[4];
	va_list list;

	va_start(list, option);
	for (size_t i = 0; i < 4; i++)
		arguments[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_NAME)
		strncpy(own_role, (const char *)arguments[0], sizeof(own_role) - 1);
	return REAL(prctl)(option, arguments[0], arguments[1], arguments[2],
			   arguments[3]);
}

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static int is_of_program(const void *address)
{
	return (uintptr_t)address >= program_begin && (uintptr_t)address < program_end;
}

static int fails_for_memory(const char *name, const void *caller)
{
	return is_of_program(caller) && fails(FAIL_MEMORY, name, ENOMEM);
}

void *malloc(size_t n)
{
	return fails_for_memory("malloc", __builtin_return_address(0))
		       ? NULL
		       : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails_for_memory("calloc", __builtin_return_address(0))
		       ? NULL
		       : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails_for_memory("realloc", __builtin_return_address(0))
		       ? NULL
		       : __libc_realloc(p, n);
}
#endif
