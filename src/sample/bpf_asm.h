/*
 * An assembler for the kernel's BPF machine, for programs that are made at run time.
 *
 *	xb_bpf_ldx(&a, 8, BPF_REG_1, BPF_REG_7, 40);           r1 = *(u64 *)(r7 + 40)
 *	xb_bpf_jmp_imm(&a, BPF_JEQ, BPF_REG_1, 0, done);       if r1 == 0 goto done
 *	xb_bpf_call(&a, BPF_FUNC_ktime_get_ns);
 *	xb_bpf_here(&a, done);
 *
 * Errors (too many instructions or labels, a label nobody placed) are remembered and reported by xb_bpf_finish().
 */
#ifndef XB_SAMPLE_BPF_ASM_H
#define XB_SAMPLE_BPF_ASM_H

#include "base/error.h"

#include <linux/bpf.h>

enum { XB_BPF_MAX_INSNS = 4096, XB_BPF_MAX_LABELS = 1024 };

struct xb_bpf_asm {
	struct bpf_insn insn[XB_BPF_MAX_INSNS];
	size_t n;
	int32_t place[XB_BPF_MAX_LABELS];   /* instruction of a label, -1: not placed yet */
	int32_t label_of[XB_BPF_MAX_INSNS]; /* of a jump, -1: no jump */
	int32_t n_labels;
	bool failed;
};

/** No instructions yet. */
void xb_bpf_asm_init(struct xb_bpf_asm *a);

/** A label to jump to, placed later. */
int xb_bpf_label(struct xb_bpf_asm *a);
/** The next instruction is the one that @label stands for. */
void xb_bpf_here(struct xb_bpf_asm *a, int label);

/** @dst = @imm, sign-extended; @dst = @src; 64-bit @op (BPF_ADD, BPF_AND, …) with either. */
void xb_bpf_mov_imm(struct xb_bpf_asm *a, int dst, int32_t imm);
void xb_bpf_mov(struct xb_bpf_asm *a, int dst, int src);
void xb_bpf_alu_imm(struct xb_bpf_asm *a, int op, int dst, int32_t imm);
void xb_bpf_alu(struct xb_bpf_asm *a, int op, int dst, int src);
/** @dst = @imm, all 64 bits. */
void xb_bpf_mov_imm64(struct xb_bpf_asm *a, int dst, uint64_t imm);
/** @dst = the map that @fd is. */
void xb_bpf_mov_map(struct xb_bpf_asm *a, int dst, int fd);

/** Load, store and store-immediate of @width bytes (4, 8) at @off from a pointer. */
void xb_bpf_ldx(struct xb_bpf_asm *a, int width, int dst, int src, int16_t off);
void xb_bpf_stx(struct xb_bpf_asm *a, int width, int dst, int16_t off, int src);
void xb_bpf_st_imm(struct xb_bpf_asm *a, int width, int dst, int16_t off, int32_t imm);
/** *(u64 *)(@dst + @off) += @src, atomically. */
void xb_bpf_add_atomic(struct xb_bpf_asm *a, int dst, int16_t off, int src);

/** if (@dst @op …) goto @label; BPF_JA with any registers is a plain goto.  Comparisons of 64 bits. */
void xb_bpf_jmp_imm(struct xb_bpf_asm *a, int op, int dst, int32_t imm, int label);
void xb_bpf_jmp(struct xb_bpf_asm *a, int op, int dst, int src, int label);
void xb_bpf_goto(struct xb_bpf_asm *a, int label);

/** Call a helper (enum bpf_func_id). */
void xb_bpf_call(struct xb_bpf_asm *a, int helper);
void xb_bpf_exit(struct xb_bpf_asm *a);

/** Resolve the jumps.  LIMIT when something did not fit. */
XB_NODISCARD struct xb_error *xb_bpf_finish(struct xb_bpf_asm *a);

#endif
