/*
 * What a taken-over process would ask of the kernel, and what each profile of
 * sandbox_trial.h gets for an answer: a column of the table for each.
 */
#ifndef TEST_UNIT_ATTEMPTS_H
#define TEST_UNIT_ATTEMPTS_H

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/unit/sandbox_trial.h"

/* ---- What is asked of the kernel: 0, or errno ---- */

static int read_file(void)
{
	return result(open("/dev/null", O_RDONLY));
}

static int write_file(void)
{
	return result(open("/dev/null", O_WRONLY));
}

static int make_file(void)
{
	return result(open("/tmp", O_TMPFILE | O_RDWR, 0600));
}

/* As billing_file.c makes one. */
static int make_new_file(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/tmp/provbox-attempt-%d", (int)getpid());
	return result(openat(AT_FDCWD, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
			     0600)) == WORKED
		       ? result(unlinkat(AT_FDCWD, name, 0))
		       : errno;
}

/* The same without one of its flags: what is there already, or elsewhere. */
static int open_for_writing(void)
{
	return result(
		openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
}

static int follow_a_link(void)
{
	return result(openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int rename_file(void)
{
	return renameat(AT_FDCWD, "/nonexistent", AT_FDCWD, "/nonexistent") != 0 &&
			       errno != ENOENT
		       ? errno
		       : WORKED;
}

static int remove_folder(void)
{
	return unlinkat(AT_FDCWD, "/nonexistent", AT_REMOVEDIR) != 0 && errno != ENOENT
		       ? errno
		       : WORKED;
}

static int stat_file(void)
{
	struct stat st;

	return result(stat("/", &st));
}

static int remove_file(void)
{
	return unlink("/nonexistent") != 0 && errno != ENOENT ? errno : WORKED;
}

static int socket_of(int family, int type, int protocol)
{
	bool is_made = socket(family, type | SOCK_CLOEXEC, protocol) >= 0;

	return is_made || errno == EAFNOSUPPORT ? WORKED : errno;
}

static int socket_tcp(void)
{
	return socket_of(AF_INET, SOCK_STREAM, IPPROTO_TCP);
}

static int socket_tcp6(void)
{
	return socket_of(AF_INET6, SOCK_STREAM, 0);
}

static int socket_file(void)
{
	return socket_of(AF_UNIX, SOCK_STREAM, 0);
}

static int socket_udp(void)
{
	return socket_of(AF_INET, SOCK_DGRAM, 0);
}

static int socket_netlink(void)
{
	return socket_of(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static int socket_netfilter(void)
{
	return socket_of(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
}

static int socket_sctp(void)
{
	return socket_of(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static int socket_packet(void)
{
	return socket_of(AF_PACKET, SOCK_RAW, 0);
}

static int set_option(int level)
{
	const int on = 1;

	return setsockopt(-1, level, 1, &on, sizeof(on)) < 0 && errno == EBADF ? WORKED
									       : errno;
}

static int set_option_of_socket(void)
{
	return set_option(SOL_SOCKET);
}

static int set_option_of_ip(void)
{
	return set_option(IPPROTO_IP);
}

static int make_pair(void)
{
	int fds[2];

	return result(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

static int accept_nothing(void)
{
	return accept4(-1, NULL, NULL, SOCK_CLOEXEC) < 0 && errno == EBADF ? WORKED
									   : errno;
}

static int connect_nothing(void)
{
	return connect(-1, NULL, 0) < 0 && errno == EBADF ? WORKED : errno;
}

static int bind_nothing(void)
{
	return bind(-1, NULL, 0) < 0 && errno == EBADF ? WORKED : errno;
}

static int execute(void)
{
	char *argv[] = { "true", NULL };

	return result(execv("/bin/true", argv));
}

static int make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static void *in_thread(void *arg)
{
	return arg;
}

static int make_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, in_thread, NULL);

	return error ? error : pthread_join(thread, NULL);
}

static int clone_by_flags_in_memory(void)
{
	return syscall(SYS_clone3, NULL, 0) < 0 && errno == EINVAL ? WORKED : errno;
}

static int be_traced(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_parent(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	return result(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int signal_parent(void)
{
	return result(kill(getppid(), 0));
}

static int signal_thread_of_parent(void)
{
	return result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? errno : WORKED;
}

static int make_code_of_data(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int survive_the_end(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? errno : WORKED;
}

/* The kernel drops the upper half of the number. */
static int survive_the_end_by_a_trick(void)
{
	return result(syscall(SYS_rt_sigaction, (1L << 32) | SIGSYS, NULL, NULL, 8));
}

static int raise_a_limit(void)
{
	const struct rlimit limit = { 0, 0 };

	return result(setrlimit(RLIMIT_CORE, &limit));
}

static int be_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1));
}

static int leave_the_root(void)
{
	return chroot("/nonexistent") < 0 && errno == ENOENT ? WORKED : errno;
}

static int push_into_terminal(void)
{
	return result(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int make_user_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int clone_into_namespace(void)
{
	return result(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0));
}

/* Whatever the arguments: it must not come so far. */
#define PLAIN_CALL(name)                                           \
	static int call_##name(void)                               \
	{                                                          \
		return result(syscall(SYS_##name, 0, 0, 0, 0, 0)); \
	}
PLAIN_CALL(mount)
PLAIN_CALL(setns)
PLAIN_CALL(bpf)
PLAIN_CALL(keyctl)
PLAIN_CALL(add_key)
PLAIN_CALL(init_module)
PLAIN_CALL(finit_module)
PLAIN_CALL(perf_event_open)
PLAIN_CALL(userfaultfd)
PLAIN_CALL(io_uring_setup)
PLAIN_CALL(memfd_create)
PLAIN_CALL(execveat)
PLAIN_CALL(process_vm_writev)
PLAIN_CALL(open_by_handle_at)
PLAIN_CALL(kexec_load)
PLAIN_CALL(clock_settime)

/* ---- Who may what ---- */

/* A column for each profile. K: it dies, P: EPERM, N: ENOSYS, +: it works, -: the
 * filter lets it pass, the rest is up to the kernel. */
static const struct {
	const char *name;
	int (*act)(void);
	const char *expected;
	int number; /* of the call it dies of */
} attempts[] = {
	{ "read a file", read_file, "KK++++", SYS_openat },
	{ "write a file", write_file, "KKPP+P", SYS_openat },
	{ "make a file", make_file, "KKPP-P", SYS_openat },
	{ "make a new file", make_new_file, "KKPP++", SYS_openat },
	{ "open for writing", open_for_writing, "KKPP-P", SYS_openat },
	{ "follow a link", follow_a_link, "KKPP-P", SYS_openat },
	{ "rename a file", rename_file, "KKPP++", SYS_renameat },
	{ "remove a folder", remove_folder, "KKPP+P", SYS_unlinkat },
	{ "look at a file", stat_file, "KK++++", SYS_newfstatat },
	{ "remove a file", remove_file, "KKPP+P", -1 },
	{ "TCP socket", socket_tcp, "K+++++", SYS_socket },
	{ "TCP socket, IPv6", socket_tcp6, "K+++++", SYS_socket },
	{ "Unix socket", socket_file, "KK++++", SYS_socket },
	{ "UDP socket", socket_udp, "KKP++P", SYS_socket },
	{ "netlink socket", socket_netlink, "KKP++P", SYS_socket },
	{ "netfilter socket", socket_netfilter, "KKPP-P", SYS_socket },
	{ "SCTP socket", socket_sctp, "KKPP-P", SYS_socket },
	{ "packet socket", socket_packet, "KKPP-P", SYS_socket },
	{ "option of a socket", set_option_of_socket, "++++++", -1 },
	{ "option of IP", set_option_of_ip, "KKP++P", SYS_setsockopt },
	{ "socket pair", make_pair, "KKP++P", SYS_socketpair },
	{ "accept", accept_nothing, "K++P+P", SYS_accept4 },
	{ "connect", connect_nothing, "K+++++", SYS_connect },
	{ "bind", bind_nothing, "KKP++P", SYS_bind },
	{ "execute", execute, "KKKKKK", SYS_execve },
	{ "execute a descriptor", call_execveat, "KKKKKK", SYS_execveat },
	{ "fork", make_process, "KKPP+P", SYS_clone },
	{ "thread", make_thread, "KKP++P", -1 },
	{ "clone3", clone_by_flags_in_memory, "KKNNNN", SYS_clone3 },
	{ "be traced", be_traced, "KKKKKK", SYS_ptrace },
	{ "read a process", read_parent, "KKKKKK", SYS_process_vm_readv },
	{ "write a process", call_process_vm_writev, "KKKKKK", SYS_process_vm_writev },
	{ "signal a process", signal_parent, "KKPP+P", SYS_kill },
	{ "signal a thread", signal_thread_of_parent, "KKPP+P", SYS_tgkill },
	{ "map code", map_code, "KKP++P", SYS_mmap },
	{ "make code of data", make_code_of_data, "KKPP+P", SYS_mprotect },
	{ "survive", survive_the_end, "KKPP+P", SYS_rt_sigaction },
	{ "survive by a trick", survive_the_end_by_a_trick, "KKPP-P",
	  SYS_rt_sigaction },
	{ "set a limit", raise_a_limit, "KKPP+P", SYS_prlimit64 },
	{ "be dumpable", be_dumpable, "KKPP+P", SYS_prctl },
	{ "change root", leave_the_root, "KKPP-P", SYS_chroot },
	{ "push into a terminal", push_into_terminal, "KKKKKK", SYS_ioctl },
	{ "user namespace", make_user_namespace, "KKKKKK", SYS_unshare },
	{ "clone into one", clone_into_namespace, "KKKKKK", SYS_clone },
	{ "mount", call_mount, "KKKKKK", SYS_mount },
	{ "setns", call_setns, "KKKKKK", SYS_setns },
	{ "bpf", call_bpf, "KKKKKK", SYS_bpf },
	{ "keyctl", call_keyctl, "KKKKKK", SYS_keyctl },
	{ "add_key", call_add_key, "KKKKKK", SYS_add_key },
	{ "init_module", call_init_module, "KKKKKK", SYS_init_module },
	{ "finit_module", call_finit_module, "KKKKKK", SYS_finit_module },
	{ "perf_event_open", call_perf_event_open, "KKKKKK", SYS_perf_event_open },
	{ "userfaultfd", call_userfaultfd, "KKKKKK", SYS_userfaultfd },
	{ "io_uring_setup", call_io_uring_setup, "KKKKKK", SYS_io_uring_setup },
	{ "memfd_create", call_memfd_create, "KKKK-K", SYS_memfd_create },
	{ "open_by_handle_at", call_open_by_handle_at, "KKKKKK",
	  SYS_open_by_handle_at },
	{ "kexec_load", call_kexec_load, "KKKKKK", SYS_kexec_load },
	{ "clock_settime", call_clock_settime, "KKKKKK", SYS_clock_settime },
};

#endif
