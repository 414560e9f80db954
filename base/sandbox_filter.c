#include "base/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"

/* Linux 5.17; malloc names its memory where a tunable asks for it. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* The first two real-time signals, with which the C library talks to its threads. */
#define SIGRTMIN_OF_LIBRARY 32

/* ---- The calls ---- */

/* The kernel looks at the lower half of an int; so must the filter. */
#define INT 0xffffffffu
#define ALL UINT64_MAX

/* A call, as libseccomp names it. What this machine does not have is left out. */
struct call {
	const char *name;
	struct {
		unsigned arg;
		uint64_t mask; /* 0: any */
		uint64_t value;
	} only[3];
};

#define ARG(n, bits, what)                                  \
	{                                                   \
		.arg = (n), .mask = (bits), .value = (what) \
	}
#define CONTROL(command)                     \
	{                                    \
		"fcntl",                     \
		{                            \
			ARG(1, INT, command) \
		}                            \
	}
#define HANDLE(signum)                      \
	{                                   \
		"rt_sigaction",             \
		{                           \
			ARG(0, INT, signum) \
		}                           \
	}
#define SOCKET(family, type, protocol)                          \
	{                                                       \
		"socket",                                       \
		{                                               \
			ARG(0, INT, family), ARG(1, 0xf, type), \
				ARG(2, INT & ~(protocol), 0)    \
		}                                               \
	}
#define OPTIONS(level)                     \
	{                                  \
		"setsockopt",              \
		{                          \
			ARG(1, INT, level) \
		}                          \
	}

/* Of every process: a loop on the descriptors that it holds. */
static const struct call calls_of_all[] = {
	/* bytes */
	{ "read" },
	{ "readv" },
	{ "write" },
	{ "writev" },
	{ "recvfrom" },
	{ "recvmsg" },
	{ "sendto" },
	{ "sendmsg" },
	{ "shutdown" },
	{ "close" },
	{ "lseek" },
	/* waiting */
	{ "epoll_ctl" },
	{ "epoll_wait" },
	{ "epoll_pwait" },
	{ "epoll_pwait2" },
	{ "poll" },
	{ "ppoll" },
	{ "nanosleep" },
	{ "clock_nanosleep" },
	{ "restart_syscall" },
	{ "sched_yield" },
	/* descriptors it has */
	CONTROL(F_GETFD),
	CONTROL(F_SETFD),
	CONTROL(F_GETFL),
	CONTROL(F_SETFL),
	{ "ioctl", { ARG(1, INT, FIONREAD) } },
	{ "ioctl", { ARG(1, INT, FIONBIO) } },
	{ "ioctl", { ARG(1, INT, TCGETS) } }, /* of stdio */
	{ "getsockname" },
	{ "getpeername" },
	{ "getsockopt" },
	OPTIONS(SOL_SOCKET),
	OPTIONS(IPPROTO_TCP),
	{ "fstat" },
	{ "newfstatat", { ARG(3, AT_EMPTY_PATH, AT_EMPTY_PATH) } },
	/* memory, never executed */
	{ "brk" },
	{ "mmap", { ARG(2, PROT_EXEC, 0) } },
	{ "mprotect", { ARG(2, PROT_EXEC, 0) } },
	{ "mremap" },
	{ "munmap" },
	{ "madvise" },
	{ "prctl", { ARG(0, INT, PR_SET_VMA) } },
	/* locks of the C library */
	{ "futex" },
	{ "futex_waitv" },
	{ "rseq" },
	{ "set_robust_list" },
	{ "membarrier" },
	/* time and chance */
	{ "clock_gettime" },
	{ "clock_getres" },
	{ "gettimeofday" },
	{ "time" },
	{ "times" },
	{ "getrandom" },
	/* itself */
	{ "getpid" },
	{ "getppid" },
	{ "gettid" },
	{ "getuid" },
	{ "geteuid" },
	{ "getgid" },
	{ "getegid" },
	{ "getcpu" },
	{ "getrusage" },
	{ "getrlimit" },
	{ "prlimit64", { ARG(0, INT, 0), ARG(2, ALL, 0) } }, /* reads */
	{ "sched_getaffinity" },
	{ "sysinfo" }, /* of qsort() */
	{ "uname" },
	/* signals: every action but that of SIGSYS, which is ours for good */
	HANDLE(SIGABRT),
	HANDLE(SIGALRM),
	HANDLE(SIGCHLD),
	HANDLE(SIGHUP),
	HANDLE(SIGINT),
	HANDLE(SIGPIPE),
	HANDLE(SIGQUIT),
	HANDLE(SIGTERM),
	HANDLE(SIGUSR1),
	HANDLE(SIGUSR2),
	{ "rt_sigprocmask" },
	{ "rt_sigreturn" },
	{ "sigaltstack" },
	{ "exit" },
	{ "exit_group" },
};

static const struct call calls_accept[] = {
	{ "accept" },
	{ "accept4" },
};

/* To whom stands in memory, where a filter cannot look. */
static const struct call calls_dial_ip[] = {
	SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	{ "connect" },
};

static const struct call calls_dial_file[] = {
	SOCKET(AF_UNIX, SOCK_STREAM, 0),
	{ "connect" },
};

#define READS(call, arg)                                                           \
	{                                                                          \
		(call),                                                            \
		{                                                                  \
			ARG((arg), O_ACCMODE | O_CREAT | O_TRUNC | __O_TMPFILE, 0) \
		}                                                                  \
	}

static const struct call calls_files[] = {
	READS("open", 1), READS("openat", 2), { "stat" },       { "lstat" },
	{ "newfstatat" }, { "statx" },        { "access" },     { "faccessat" },
	{ "faccessat2" }, { "readlink" },     { "readlinkat" }, { "getdents64" },
	{ "getcwd" },     { "pread64" },      { "fadvise64" },  { "fstatfs" },
	{ "statfs" },
};

/* What is there already is never opened for writing, nor by way of a link. */
#define MAKES (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)

static const struct call calls_make_files[] = {
	{ "openat", { ARG(2, MAKES | O_ACCMODE | O_TRUNC | __O_TMPFILE, MAKES) } },
	{ "renameat" },
	{ "renameat2", { ARG(4, INT, 0) } }, /* of the C library, on some machines */
	{ "unlinkat", { ARG(2, INT, 0) } },
	{ "fsync" },
};

static const struct call calls_resolve[] = {
	/* a thread and nothing else, as the C library makes it */
	{ "clone", { ARG(0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM) } },
	{ "set_tid_address" },
	HANDLE(SIGRTMIN_OF_LIBRARY),
	HANDLE(SIGRTMIN_OF_LIBRARY + 1),
	{ "prctl", { ARG(0, INT, PR_SET_NAME) } },
	{ "mmap" }, /* code, too: modules of nsswitch.conf */
	/* how the thread wakes the loop */
	{ "socketpair" },
	{ "pipe2" },
	{ "eventfd2" },
	{ "dup" },
	/* name servers, and which families there are routes for */
	SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	SOCKET(AF_UNIX, SOCK_DGRAM, 0),
	SOCKET(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
	SOCKET(AF_UNIX, SOCK_STREAM, 0),
	OPTIONS(IPPROTO_IP),
	OPTIONS(IPPROTO_IPV6),
	{ "bind" },
	{ "connect" },
	{ "sendmmsg" },
	{ "recvmmsg" },
};

/* Files without a name: the supervisor keeps copies in them (base/files.h). */
static const struct call calls_of_keeping[] = {
	{ "memfd_create" },
};

/* What none of ours ever asks for, not even the supervisor, and attacks do. */
static const struct call calls_of_attacks[] = {
	/* another program */
	{ "execve" },
	{ "execveat" },
	{ "uselib" },
	{ "memfd_secret" },
	{ "personality" },
	{ "modify_ldt" },
	/* another process */
	{ "ptrace" },
	{ "process_vm_readv" },
	{ "process_vm_writev" },
	{ "process_madvise" },
	{ "pidfd_getfd" },
	{ "kcmp" },
	/* another view of the system */
	{ "unshare" },
	{ "setns" },
	{ "clone", { ARG(0, CLONE_NEWUSER, CLONE_NEWUSER) } },
	{ "clone", { ARG(0, CLONE_NEWNS, CLONE_NEWNS) } },
	{ "clone", { ARG(0, CLONE_NEWPID, CLONE_NEWPID) } },
	{ "clone", { ARG(0, CLONE_NEWNET, CLONE_NEWNET) } },
	{ "clone", { ARG(0, CLONE_NEWIPC, CLONE_NEWIPC) } },
	{ "clone", { ARG(0, CLONE_NEWUTS, CLONE_NEWUTS) } },
	{ "clone", { ARG(0, CLONE_NEWCGROUP, CLONE_NEWCGROUP) } },
	{ "pivot_root" },
	{ "mount" },
	{ "umount2" },
	{ "fsopen" },
	{ "fsconfig" },
	{ "fsmount" },
	{ "fspick" },
	{ "open_tree" },
	{ "move_mount" },
	{ "mount_setattr" },
	{ "name_to_handle_at" },
	{ "open_by_handle_at" },
	{ "mknod" },
	{ "mknodat" },
	/* the kernel and its wider doors */
	{ "bpf" },
	{ "perf_event_open" },
	{ "userfaultfd" },
	{ "io_uring_setup" },
	{ "io_uring_enter" },
	{ "io_uring_register" },
	{ "init_module" },
	{ "finit_module" },
	{ "delete_module" },
	{ "kexec_load" },
	{ "kexec_file_load" },
	{ "reboot" },
	{ "swapon" },
	{ "swapoff" },
	{ "acct" },
	{ "quotactl" },
	{ "quotactl_fd" },
	{ "syslog" },
	{ "lookup_dcookie" },
	{ "fanotify_init" },
	{ "iopl" },
	{ "ioperm" },
	{ "add_key" },
	{ "request_key" },
	{ "keyctl" },
	{ "ioctl", { ARG(1, INT, TIOCSTI) } },
	{ "ioctl", { ARG(1, INT, TIOCLINUX) } },
	/* the machine's clock and name */
	{ "settimeofday" },
	{ "clock_settime" },
	{ "adjtimex" },
	{ "clock_adjtime" },
	{ "sethostname" },
	{ "setdomainname" },
};

/* Its flags are in memory; the C library then uses clone. */
static const struct call calls_unknown[] = {
	{ "clone3" },
};

#define CALLS(table) (table), sizeof(table) / sizeof((table)[0])

static const struct {
	enum sandbox_right right;
	const struct call *calls;
	size_t n;
} rights_table[] = {
	{ SANDBOX_ACCEPT, CALLS(calls_accept) },
	{ SANDBOX_DIAL_IP, CALLS(calls_dial_ip) },
	{ SANDBOX_DIAL_FILE, CALLS(calls_dial_file) },
	{ SANDBOX_FILES, CALLS(calls_files) },
	{ SANDBOX_MAKE_FILES, CALLS(calls_make_files) },
	{ SANDBOX_RESOLVE, CALLS(calls_resolve) },
};

/* ---- The filter ---- */

static int *forbidden_call;

/* The action is reset to the default one: the second signal ends the process. */
static void on_forbidden(int signum, siginfo_t *info, void *context)
{
	(void)context;
	if (forbidden_call)
		*forbidden_call = info->si_syscall;
	raise(signum);
}

static bool add(scmp_filter_ctx filter, uint32_t action, const struct call *calls,
		size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct call *call = &calls[i];
		struct scmp_arg_cmp only[3];
		unsigned n_only = 0;
		int number = seccomp_syscall_resolve_name(call->name);

		while (n_only < 3 && call->only[n_only].mask != 0) {
			only[n_only] = SCMP_CMP(
				call->only[n_only].arg, SCMP_CMP_MASKED_EQ,
				call->only[n_only].mask, call->only[n_only].value);
			n_only++;
		}
		if (number == __NR_SCMP_ERROR)
			continue;
		int error =
			seccomp_rule_add_array(filter, action, number, n_only, only);
		if (error != 0) {
			errno = -error;
			return false;
		}
	}
	return true;
}

/* Signals to itself: raise() and abort(). */
static bool allow_itself(scmp_filter_ctx filter)
{
	const struct call calls[] = {
		{ "tgkill", { ARG(0, INT, (uint32_t)getpid()) } },
	};

	return add(filter, SCMP_ACT_ALLOW, CALLS(calls));
}

static bool allow(scmp_filter_ctx filter, unsigned rights)
{
	if (rights & SANDBOX_SUPERVISE)
		return true;
	if (!allow_itself(filter) || !add(filter, SCMP_ACT_ALLOW, CALLS(calls_of_all)))
		return false;
	for (size_t i = 0; i < sizeof(rights_table) / sizeof(rights_table[0]); i++)
		if (rights & rights_table[i].right &&
		    !add(filter, SCMP_ACT_ALLOW, rights_table[i].calls,
			 rights_table[i].n))
			return false;
	return true;
}

/* What is neither allowed nor an attack. */
static uint32_t other_action(unsigned rights)
{
	if (rights & SANDBOX_SUPERVISE)
		return SCMP_ACT_ALLOW;
	return sandbox_is_strict(rights) ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM);
}

static bool load_filter(unsigned rights)
{
	uint32_t other = other_action(rights);
	scmp_filter_ctx filter = seccomp_init(other);

	BUG_ON(!filter);
	/* A call in another dialect of the machine (32 bits) is an attack. */
	bool is_made = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
					SCMP_ACT_KILL_PROCESS) == 0 &&
		       seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 &&
		       allow(filter, rights) &&
		       (sandbox_is_strict(rights) ||
			(add(filter, SCMP_ACT_ERRNO(ENOSYS), CALLS(calls_unknown)) &&
			 add(filter, SCMP_ACT_TRAP, CALLS(calls_of_attacks)) &&
			 (rights & SANDBOX_SUPERVISE ||
			  add(filter, SCMP_ACT_TRAP, CALLS(calls_of_keeping)))));
	int error = is_made ? -seccomp_load(filter) : errno;
	seccomp_release(filter);
	errno = error;
	return error == 0;
}

bool sandbox_filter(unsigned rights, int *forbidden)
{
	const struct sigaction action = {
		.sa_sigaction = on_forbidden,
		.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER,
	};
	sigset_t set;

	forbidden_call = forbidden;
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	return sigaction(SIGSYS, &action, NULL) == 0 &&
	       sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && load_filter(rights);
}

void sandbox_call_name(int number, char *out, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	if (name)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "call_%d", number);
	free(name);
}
