/*
 * libextrospect in use.  Compiled the way a program outside this tree is:
 *
 *	cc example.c $(pkg-config --cflags --libs extrospect) -o example
 *
 *	example processes PID   every process: pid, depth of its stack, function and line on top
 *	example sample PID      one second: samples, thread, process, function on top
 *	example map PID         the perf map
 *	example resolve PID     every function of the perf map, looked up by its address
 */
#include <extrospect.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(struct extrospect_error *err)
{
	const char *advice = extrospect_error_advice(err);
	int code = (int)extrospect_error_code(err);

	fprintf(stderr, "example: %s (error %d)%s%s\n", extrospect_error_message(err), code,
		advice == NULL ? "" : "\n", advice == NULL ? "" : advice);
	extrospect_error_destroy(err);
	return code;
}

static void print_top(const struct extrospect_stack *stack)
{
	struct extrospect_frame f = EXTROSPECT_INIT(struct extrospect_frame);

	if (!extrospect_stack_frame(stack, 0, &f))
		printf("-\t-\n");
	else if (f.file[0] == '\0')
		printf("%s\t-\n", f.function);
	else
		printf("%s\t%s:%u\n", f.function, f.file, f.line);
}

static bool print_process(void *arg, const struct extrospect_process *p,
			  const struct extrospect_stack *stack)
{
	(void)arg;
	printf("%s\t%zu\t", p->pid, extrospect_stack_depth(stack));
	print_top(stack);
	return true;
}

static bool print_sample(void *arg, const struct extrospect_sample *s,
			 const struct extrospect_stack *stack)
{
	uint64_t *sum = arg;

	*sum += s->count;
	printf("%" PRIu64 "\t%s\t%s\t", s->count, s->thread, s->process == NULL ? "-" : s->process);
	print_top(stack);
	return true;
}

static struct extrospect_error *processes(struct extrospect_vm *vm)
{
	struct extrospect_pass pass = EXTROSPECT_INIT(struct extrospect_pass);
	struct extrospect_error *err = extrospect_processes(vm, 0, print_process, NULL, &pass);

	if (err == NULL)
		fprintf(stderr, "%" PRIu64 " processes, %" PRIu64 " running\n", pass.seen,
			pass.running);
	return err;
}

static struct extrospect_error *sample(struct extrospect_vm *vm)
{
	struct extrospect_sample_options o = EXTROSPECT_INIT(struct extrospect_sample_options);
	struct extrospect_sample_summary sum = EXTROSPECT_INIT(struct extrospect_sample_summary);
	struct extrospect_error *err;
	uint64_t counted = 0;

	o.duration_ns = 1000000000;
	o.period_ns = 1000000000 / 499;
	err = extrospect_sample(vm, &o, print_sample, &counted, &sum);
	if (err == NULL)
		fprintf(stderr, "%" PRIu64 " samples by %s, %" PRIu64 " handed out, %" PRIu64 " lost\n",
			sum.samples, sum.backend, counted, sum.lost);
	return err;
}

/* The VM quotes no reserved words in its map, the library writes what Erlang reads: quotes are left out. */
static bool same_name(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == '\'')
			a++;
		while (*b == '\'')
			b++;
		if (*a != *b || *a == '\0')
			return *a == *b;
	}
}

/* A line of the map: START SIZE $NAME. */
static struct extrospect_error *resolve(struct extrospect_vm *vm, char *map)
{
	size_t same = 0, other = 0;

	for (char *line = strtok(map, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		struct extrospect_frame f = EXTROSPECT_INIT(struct extrospect_frame);
		unsigned long long start, size;
		struct extrospect_error *err;
		int at = 0;

		/* Headers and footers are no functions; control characters are escaped in two ways. */
		if (sscanf(line, "%llx %llx $%n", &start, &size, &at) != 2 || at == 0 || size == 0 ||
		    strstr(line, "::code") != NULL || strstr(line, "-CodeInfoPrologue") != NULL ||
		    strpbrk(line, "\\\177") != NULL)
			continue;
		err = extrospect_symbolize(vm, start, &f);
		if (err != NULL)
			return err;
		if (f.known && same_name(f.function, line + at))
			same++;
		else if (other++ < 5)
			fprintf(stderr, "%s is called %s\n", line, f.function);
	}
	printf("%zu names agree, %zu differ\n", same, other);
	return NULL;
}

static struct extrospect_error *map(struct extrospect_vm *vm, bool look_up)
{
	char *text;
	size_t len;
	struct extrospect_error *err = extrospect_perf_map(vm, &text, &len);

	if (err != NULL)
		return err;
	if (look_up)
		err = resolve(vm, text);
	else
		fwrite(text, 1, len, stdout);
	extrospect_free(text);
	return err;
}

static struct extrospect_error *run(struct extrospect_vm *vm, const char *what)
{
	struct extrospect_identity id = EXTROSPECT_INIT(struct extrospect_identity);
	struct extrospect_error *err = extrospect_identity(vm, &id);

	if (err != NULL)
		return err;
	fprintf(stderr, "process %d: OTP %u, erts %s, %s, %u schedulers, layout %s\n", id.pid,
		id.otp_release, id.erts_version, id.flavor, id.schedulers, id.layout);
	if (strcmp(what, "processes") == 0)
		return processes(vm);
	if (strcmp(what, "sample") == 0)
		return sample(vm);
	return map(vm, strcmp(what, "resolve") == 0);
}

int main(int argc, char **argv)
{
	struct extrospect_open_options o = EXTROSPECT_INIT(struct extrospect_open_options);
	struct extrospect_vm *vm = NULL;
	struct extrospect_error *err;

	if (argc != 3) {
		fprintf(stderr, "usage: example processes|sample|map|resolve PID|NODE\n");
		return 2;
	}
	o.target = argv[2];
	err = extrospect_open(&o, &vm);
	if (err == NULL)
		err = run(vm, argv[1]);
	extrospect_close(vm);
	return err == NULL ? 0 : fail(err);
}
