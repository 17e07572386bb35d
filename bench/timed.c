/*
 * How long a command takes and how much memory it needs.
 *
 *	timed N OUT COMMAND [ARGUMENT...]
 *
 * Runs COMMAND N times with its standard output in the file OUT, or, when OUT is "-", in a pipe that is read here.
 * Prints one line: wall ms to the first byte of output (pipe only, else 0), wall ms, CPU ms (each as median and minimum),
 * and the largest resident set in KiB.  Exits 1 when a run failed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RUNS = 1000 };

struct run {
	double first, wall, cpu;
	long rss;
};

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double ms(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_two(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), ascending);
	(void)printf("%.1f %.1f ", v[n / 2], v[0]);
}

static _Noreturn void child(int out, char **argv)
{
	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	(void)execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

/* The time of the first byte; the rest is read and dropped. */
static double drink(int fd)
{
	static char bytes[1 << 16];
	double first = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		if (first <= 0)
			first = now_ms();
	}
	return first;
}

static int run_once(const char *out, char **argv, struct run *ret)
{
	int ends[2] = { -1, -1 }, status = 0;
	int piped = strcmp(out, "-") == 0;
	double start = now_ms(), first = 0;
	struct rusage ru;
	pid_t pid;

	if (piped ? pipe2(ends, O_CLOEXEC) != 0
		  : (ends[1] = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0) {
		perror(out);
		return -1;
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return -1;
	}
	if (pid == 0)
		child(ends[1], argv);
	(void)close(ends[1]);
	if (piped) {
		first = drink(ends[0]);
		(void)close(ends[0]);
	}
	if (wait4(pid, &status, 0, &ru) != pid)
		return -1;
	*ret = (struct run){ .first = first > 0 ? first - start : 0,
			     .wall = now_ms() - start,
			     .cpu = ms(ru.ru_utime) + ms(ru.ru_stime),
			     .rss = ru.ru_maxrss };
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv)
{
	size_t n = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
	static double first[MAX_RUNS], wall[MAX_RUNS], cpu[MAX_RUNS];
	long rss = 0;

	if (n == 0 || n > MAX_RUNS) {
		(void)fprintf(stderr, "usage: timed N OUT|- COMMAND [ARGUMENT...]\n");
		return 2;
	}
	for (size_t i = 0; i < n; i++) {
		struct run r;
		int code = run_once(argv[2], argv + 3, &r);

		if (code != 0) {
			(void)fprintf(stderr, "timed: %s failed (%d)\n", argv[3], code);
			return 1;
		}
		first[i] = r.first;
		wall[i] = r.wall;
		cpu[i] = r.cpu;
		rss = r.rss > rss ? r.rss : rss;
	}
	print_two(first, n);
	print_two(wall, n);
	print_two(cpu, n);
	(void)printf("%ld\n", rss);
	return 0;
}
