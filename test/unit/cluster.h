/*
 * A private PostgreSQL cluster for one unit test: made in a new folder under /tmp,
 * reached by a socket there alone, gone at the end. Needs the server's binaries; as
 * root it runs as the user postgres, because the server refuses root.
 */
#ifndef TEST_UNIT_CLUSTER_H
#define TEST_UNIT_CLUSTER_H

#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

/** Exit status by which automake counts a test as skipped. */
#define TEST_SKIPPED 77

struct cluster {
	char bin[128];    /* folder of initdb and postgres */
	char folder[64];  /* holds data and socket */
	char dsn[128];    /* of the superuser */
	pid_t postmaster; /* 0: stopped */
};

static inline bool cluster_find(struct cluster *c)
{
	glob_t found = { 0 };
	bool ok = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0;
	if (ok)
		snprintf(c->bin, sizeof(c->bin), "%.*s",
			 (int)(strlen(found.gl_pathv[found.gl_pathc - 1]) - 7),
			 found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
	return ok && (geteuid() != 0 || getpwnam("postgres"));
}

/*
 * Start the program of the server that args[0] names, as postgres when we are root, its
 * output to a log. It is told its path: initdb looks for postgres beside itself.
 */
static inline pid_t cluster_spawn(const struct cluster *c, char **args)
{
	char path[256], log[128];
	snprintf(path, sizeof(path), "%s/%s", c->bin, args[0]);
	snprintf(log, sizeof(log), "%s/log", c->folder);
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	struct passwd *user = getpwnam("postgres");
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
			       setuid(user->pw_uid) != 0))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGQUIT); /* a test that crashes leaves no server */
	if (!freopen(log, "a", stdout) || dup2(1, 2) < 0 || chdir("/") != 0)
		_exit(1);
	args[0] = path;
	execv(path, args);
	_exit(1);
}

static inline void cluster_start(struct cluster *c)
{
	char data[80], sockets[80], socket_path[100];
	snprintf(data, sizeof(data), "%s/data", c->folder);
	snprintf(sockets, sizeof(sockets), "%s", c->folder);
	char *args[] = { "postgres",          "-D", data, "-k", sockets, "-c",
			 "listen_addresses=", "-F", NULL };
	c->postmaster = cluster_spawn(c, args);
	/* The socket is there a little before it accepts: see cluster_wait(). */
	snprintf(socket_path, sizeof(socket_path), "%s/.s.PGSQL.5432", c->folder);
	for (int i = 0; i < 500 && access(socket_path, F_OK) != 0; i++)
		usleep(10000);
}

/** Wait until it takes connections. */
static inline bool cluster_wait(const struct cluster *c)
{
	for (int i = 0; i < 1000 && PQping(c->dsn) != PQPING_OK; i++)
		usleep(10000);
	return PQping(c->dsn) == PQPING_OK;
}

/** Immediate shutdown: connections break, nothing is waited for. */
static inline void cluster_stop(struct cluster *c)
{
	if (c->postmaster > 0) {
		kill(c->postmaster, SIGQUIT);
		waitpid(c->postmaster, NULL, 0);
	}
	c->postmaster = 0;
}

/** @return false when there are no binaries, or they do not work here */
static inline bool cluster_open(struct cluster *c)
{
	*c = (struct cluster){ .folder = "/tmp/provbox-unit.XXXXXX" };
	if (!cluster_find(c) || !mkdtemp(c->folder))
		return false;
	struct passwd *user = getpwnam("postgres");
	if (geteuid() == 0 && chown(c->folder, user->pw_uid, user->pw_gid) != 0)
		return false;
	char data[80];
	snprintf(data, sizeof(data), "%s/data", c->folder);
	char *args[] = { "initdb",   "-D", data,   "-A",         "trust", "-U",
			 "postgres", "-E", "UTF8", "--locale=C", "-N",    NULL };
	int status = -1;
	pid_t pid = cluster_spawn(c, args);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return false;
	snprintf(c->dsn, sizeof(c->dsn), "host=%s user=postgres dbname=postgres",
		 c->folder);
	cluster_start(c);
	return true;
}

static inline int cluster_unlink(const char *path, const struct stat *status, int type,
				 struct FTW *place)
{
	(void)status, (void)type, (void)place;
	return remove(path);
}

static inline void cluster_close(struct cluster *c)
{
	cluster_stop(c);
	nftw(c->folder, cluster_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
