/*
 * The text of a perf map: what `perf` reads to name JIT code, spelled as the VM itself spells it.
 *
 * The oracle is the file a VM started with `+JPperf map` keeps (OTP 25.2.3, JitPerfMap::update in
 * erts/emulator/beam/jit/beam_jit_metadata.cpp; ranges built by BeamModuleAssembler::register_metadata
 * in jit/beam_jit_common.cpp and by the BeamGlobalAssembler constructor in jit/x86/beam_asm_global.cpp;
 * the same text in the development source of OTP 29).  Its rules, all checked against such files:
 *
 *  - One line a range, "%p %tx $%s\n": start with 0x, size in lower-case hex without 0x, one blank, a
 *    dollar sign, the name.  No comment, no header, no sorting.
 *  - The names are those of the gdb JIT list, byte for byte: the VM builds one vector of ranges and
 * hands it first to the perf map, then to the list.  Nothing is left out and nothing is added.  For
 * every module in this order: $m::codeHeader                   from the start of the code blob to the
 * first function $m:f/a-CodeInfoPrologue          ErtsCodeInfo plus prologue, 0x30 bytes in OTP 25
 *        $m:f/a                           the code, up to the next function's ErtsCodeInfo
 *        $m::codeFooter                   from the end of code to the end of the blob
 *    The shared fragments are one blob called "global": $global::fragment, no header and no footer.
 *    Beware: the Erlang module `global` has its own $global::codeHeader and $global::codeFooter, so
 *    "every name that starts with global::" counts 77 lines where there are 75 fragments (OTP 25).
 *  - The module in m::codeHeader and m::codeFooter is the atom's raw UTF-8 ("odd mod::codeHeader",
 *    "a<newline>b::codeHeader"); in m:f/a both atoms are written by the VM's %T, quoted where needed
 *    ('odd mod':f/1, m:'-f/1-fun-0-'/2, 'it\'s', \n \t \000 \205 escapes, anything that is not a
 *    Latin-1 identifier starting in lower case is quoted, so 'Elixir.My.Mod':f/1 is too).
 *  - m:f/a is cut at 1,023 bytes (the VM's buffer).  The list then holds the full length with a NUL and
 *    stray bytes of the VM's stack behind it; the VM's map ends at the NUL.  Likewise a raw NUL in a
 *    module name ends the name of its header and footer lines: "$n".
 *  - Order is the order of loading.  The list has the newest entry first, ranges in order within an
 * entry: entries reversed give the file.  Loading is serialised (code write permission), so both agree.
 *  - A module is written when its loading is finalised (before its on_load runs: one that fails on_load
 *    stays; code only prepared is in neither).  A purge writes nothing and takes nothing away: lines of
 *    purged code stay, and when the memory is used again the same addresses are listed a second time.
 *    In OTP 25 the list is never shortened either, so file and reversed list are equal, always.  OTP 27
 *    and later take purged modules off the list: there the file has lines of purged code the list has
 * not.
 *
 * `perf` keeps all lines in one tree ordered by start and takes the first range it meets on the way
 * down, so of two lines that share addresses it may show the one that is long gone (seen with perf 6.1:
 * of five functions given a stale twin two were shown under the stale name).  XB_PERFMAP_ALL is for
 * comparing with the VM's own file, XB_PERFMAP_NEWEST is what resolves right.
 */
#ifndef XB_OUT_PERFMAP_H
#define XB_OUT_PERFMAP_H

#include "base/error.h"
#include "base/str.h"

/* One range of code, as in the gdb JIT list. */
struct xb_perfmap_entry {
	xb_addr addr;
	uint64_t size;    /* bytes; 0 is legal, the VM writes such lines too */
	const char *name; /* borrowed, without the $; not trusted */
	size_t name_len;  /* bytes at @name, a NUL may be among them */
};

enum xb_perfmap_keep {
	XB_PERFMAP_ALL,    /* every entry, as the VM's own file */
	XB_PERFMAP_NEWEST, /* leave out entries that share an address with a later one */
};

struct xb_perfmap_stats {
	size_t lines;    /* written */
	size_t replaced; /* left out by XB_PERFMAP_NEWEST: purged code whose memory was used again */
	size_t escaped;  /* names that held a newline */
};

/**
 * Append to @out how the VM's own map spells a name of the gdb JIT list: "$", then the name up to its
 * first NUL.  The one deliberate difference: a raw newline (only possible in the module name of a
 * ::codeHeader or ::codeFooter) becomes the two characters \n, as the VM's %T writes it elsewhere; raw,
 * it would let a module name forge lines of the map.  Returns whether that happened.  Every name of the
 * list is in the map, code headers and footers included.
 */
bool xb_perfmap_spell(const char *name, size_t name_len, struct xb_str *out);

/**
 * Append the map of @n entries, oldest first (the gdb JIT list reversed), to @out.
 * @ret_stats may be NULL.  NOMEM, nothing else.  Cost: 15,000 entries take 0.6 ms, some ms more where
 * code was replaced.
 */
XB_NODISCARD struct xb_error *xb_perfmap_format(const struct xb_perfmap_entry *entries, size_t n,
						enum xb_perfmap_keep keep, struct xb_str *out,
						struct xb_perfmap_stats *ret_stats);

#endif
