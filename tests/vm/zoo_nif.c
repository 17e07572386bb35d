/*
 * Native code of the test programs: NIFs that block for ever on dirty
 * schedulers, that keep a scheduler busy, the CPU clock of a thread, and output
 * that moves nothing.
 * See zoo_nif.erl.
 */
#include <erl_nif.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static ErlNifMutex *lock;
static ErlNifCond *never;
static volatile uint64_t sink;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Nobody ever signals: the thread ends with the VM. */
static ERL_NIF_TERM block(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
	(void)argc;
	(void)env;
	enif_mutex_lock(lock);
	for (;;)
		enif_cond_wait(never, lock);
	return argv[0];
}

static ERL_NIF_TERM block_later(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
	return enif_schedule_nif(env, "blocked_at_last", ERL_NIF_DIRTY_JOB_IO_BOUND, block, argc, argv);
}

/* CPU time, not wall time: a preempted thread works as much as another. */
static void spin(uint64_t us)
{
	uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + us * 1000;
	uint64_t x = sink | 1;

	do {
		for (int i = 0; i < 2000; i++)
			x = x * 6364136223846793005u + 1442695040888963407u;
	} while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end);
	sink = x;
}

static ERL_NIF_TERM burn(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
	unsigned long us;

	(void)argc;
	if (!enif_get_ulong(env, argv[0], &us))
		return enif_make_badarg(env);
	spin(us);
	return enif_make_atom(env, "ok");
}

static ERL_NIF_TERM burn_yielding(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
	unsigned long us;
	ERL_NIF_TERM left;

	(void)argc;
	if (!enif_get_ulong(env, argv[0], &us))
		return enif_make_badarg(env);
	if (us <= 1000) {
		spin(us);
		return enif_make_atom(env, "ok");
	}
	spin(1000);
	enif_consume_timeslice(env, 100);
	left = enif_make_ulong(env, us - 1000);
	return enif_schedule_nif(env, "burn_more", 0, burn_yielding, 1, &left);
}

static ERL_NIF_TERM cpu_ns(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
	(void)argc;
	(void)argv;
	return enif_make_uint64(env, clock_ns(CLOCK_THREAD_CPUTIME_ID));
}

/* Append to a file, with no help from any process, port or dirty scheduler. */
static ERL_NIF_TERM append(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
	char name[4096];
	ErlNifBinary data;
	size_t done = 0;
	int fd;

	(void)argc;
	if (enif_get_string(env, argv[0], name, sizeof(name), ERL_NIF_LATIN1) <= 0 ||
	    !enif_inspect_binary(env, argv[1], &data))
		return enif_make_badarg(env);
	fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return enif_make_int(env, errno);
	while (done < data.size) {
		ssize_t n = write(fd, data.data + done, data.size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			close(fd);
			return enif_make_int(env, err);
		}
		done += (size_t)n;
	}
	if (close(fd) != 0)
		return enif_make_int(env, errno);
	return enif_make_atom(env, "ok");
}

static ErlNifFunc functions[] = {
	{ "block_io", 1, block, ERL_NIF_DIRTY_JOB_IO_BOUND },
	{ "block_cpu", 1, block, ERL_NIF_DIRTY_JOB_CPU_BOUND },
	{ "block_later", 1, block_later, 0 },
	{ "burn", 1, burn, 0 },
	{ "burn_yielding", 1, burn_yielding, 0 },
	{ "cpu_ns", 0, cpu_ns, 0 },
	{ "append", 2, append, 0 },
};

static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
	(void)env;
	(void)priv;
	(void)info;
	lock = enif_mutex_create("zoo_nif.lock");
	never = enif_cond_create("zoo_nif.never");
	return lock == NULL || never == NULL;
}

static void unload(ErlNifEnv *env, void *priv)
{
	(void)env;
	(void)priv;
	enif_cond_destroy(never);
	enif_mutex_destroy(lock);
}

ERL_NIF_INIT(zoo_nif, functions, load, NULL, NULL, unload)
