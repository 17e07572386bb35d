/* What is known of the interpreter loop, and asked of the VM about what is found in it. */
#include "sample/mixed_loop.h"

#include "elf/dwfile.h"
#include "elf/symbols.h"

#include <stdlib.h>

enum {
	MAX_KNOWN_WORDS = 1 << 16, /* instructions remembered before all are forgotten */
	IS_NONE = 1,               /* in the map, where no handler is known */
};

const struct loop_var xb_loop_vars[MIXED_LOOP_VARS] = {
	{ "c_p", XB_R_c_p },   { "E", XB_R_E },           { "I", XB_R_I },
	{ "HTOP", XB_R_HTOP }, { "FCALLS", XB_R_FCALLS }, { "reg", XB_R_registers },
};

bool xb_loop_in(const struct loop_piece pieces[MIXED_LOOP_PIECES], xb_addr pc)
{
	for (size_t i = 0; i < MIXED_LOOP_PIECES; i++) {
		if (pc >= pieces[i].start && pc < pieces[i].end)
			return true;
	}
	return false;
}

bool xb_mixer_is_loop(const struct xb_mixer *m, xb_addr pc)
{
	return m->loop != NULL && xb_loop_in(m->loop->piece, pc);
}

/* A function and the cold part the compiler may have moved out of it, which is a local symbol. */
static size_t find_pieces(struct xb_symbols *symbols, xb_addr bias,
			  const char *const names[MIXED_LOOP_PIECES], struct loop_piece *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < MIXED_LOOP_PIECES; i++) {
		const struct xb_symbol *sym = xb_symbols_find(symbols, names[i]);

		if (sym != NULL && sym->size != 0)
			ret[n++] =
				(struct loop_piece){ bias + sym->vaddr, bias + sym->vaddr + sym->size };
	}
	return n;
}

/* Location lists of the loop's variables.  Without them the other sources have to do. */
static void open_dwarf(struct xb_mixer *m, struct xb_symbols *symbols)
{
	const char *names[MIXED_LOOP_VARS];
	struct mixed_loop *l = m->loop;
	struct xb_image *image;
	struct xb_error *err = xb_object_image(m->s->main, &image);

	for (size_t i = 0; i < MIXED_LOOP_VARS; i++)
		names[i] = xb_loop_vars[i].name;
	if (err == NULL)
		l->dw = xb_dwfile_open(image, symbols);
	if (err == NULL && l->dw != NULL)
		err = xb_dwloc_create(l->dw, "process_main", names, MIXED_LOOP_VARS, &l->dwloc);
	if (err == NULL)
		return;
	xb_logf(m->vm->log, XB_LOG_INFO, "no variables of the interpreter loop: %s",
		xb_error_message(err));
	xb_error_destroy(err);
}

struct xb_error *xb_mixer_loop_create(struct xb_mixer *m)
{
	static const char *const loop[] = { "process_main", "process_main.cold" };
	static const char *const schedule[] = { "erts_schedule", "erts_schedule.cold" };
	struct xb_symbols *symbols;
	struct mixed_loop *l = calloc(1, sizeof(*l));
	size_t n;

	if (l == NULL)
		return xb_error_nomem();
	m->loop = l;
	XB_TRY(xb_object_symbols(m->s->main, &symbols));
	XB_TRY(xb_object_bias(m->s->main, &l->bias));
	n = find_pieces(symbols, l->bias, loop, l->piece);
	(void)find_pieces(symbols, l->bias, schedule, l->schedule);
	if (n == 0) {
		const struct xb_symbol *none;

		return xb_error_wrap(xb_symbols_need(symbols, loop[0], &none), "interpreter loop");
	}
	open_dwarf(m, symbols);
	return NULL;
}

void xb_mixer_loop_destroy(struct xb_mixer *m)
{
	struct mixed_loop *l = m->loop;

	if (l == NULL)
		return;
	xb_dwloc_destroy(l->dwloc);
	if (l->dw != NULL)
		(void)dwarf_end(l->dw);
	xb_map_deinit(&l->words);
	xb_map_deinit(&l->kept);
	xb_map_deinit(&l->settled);
	free(l);
	m->loop = NULL;
}

void xb_mixer_loop_code_changed(struct xb_mixer *m)
{
	if (m->loop != NULL)
		xb_map_clear(&m->loop->words);
}

double xb_mixer_dwarf_coverage(const struct xb_mixer *m, enum xb_var var)
{
	struct xb_dwloc_coverage c;

	if (m->loop == NULL || m->loop->dwloc == NULL)
		return -1;
	c = xb_dwloc_coverage(m->loop->dwloc, (size_t)var);
	return c.code == 0 ? 0 : 100.0 * (double)c.usable / (double)c.code;
}

xb_addr xb_loop_handler(struct xb_mixer *m, xb_addr addr)
{
	const struct mixed_loop *l = m->loop;
	uint64_t word = 0, *known;

	if ((addr & 7) != 0 || !xb_code_holds(m->vm, addr))
		return 0;
	if (m->loop->words.len >= MAX_KNOWN_WORDS)
		xb_map_clear(&m->loop->words);
	known = xb_map_at(&m->loop->words, addr);
	if (known != NULL && *known != 0)
		return *known == IS_NONE ? 0 : *known;
	if (xb_mem_try(m->vm->mem, addr, &word, 8) < 8)
		word = 0;
	/* Programs linked below 4 GiB keep the address in the lower half and operands in the upper one. */
	if (!xb_loop_in(l->piece, word))
		word = xb_loop_in(l->piece, word & UINT32_MAX) ? word & UINT32_MAX : 0;
	if (known != NULL)
		*known = word == 0 ? IS_NONE : word;
	return word;
}
