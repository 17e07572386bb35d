#include "sample/bpf_asm.h"

void xb_bpf_asm_init(struct xb_bpf_asm *a)
{
	a->n = 0;
	a->n_labels = 0;
	a->failed = false;
}

int xb_bpf_label(struct xb_bpf_asm *a)
{
	if (a->n_labels == XB_BPF_MAX_LABELS) {
		a->failed = true;
		return 0;
	}
	a->place[a->n_labels] = -1;
	return a->n_labels++;
}

void xb_bpf_here(struct xb_bpf_asm *a, int label)
{
	a->place[label] = (int32_t)a->n;
}

static void add(struct xb_bpf_asm *a, int code, int dst, int src, int16_t off, int32_t imm, int label)
{
	if (a->n == XB_BPF_MAX_INSNS) {
		a->failed = true;
		return;
	}
	a->label_of[a->n] = label;
	a->insn[a->n++] = (struct bpf_insn){ .code = (uint8_t)code,
					     .dst_reg = (uint8_t)(dst & 15),
					     .src_reg = (uint8_t)(src & 15),
					     .off = off,
					     .imm = imm };
}

void xb_bpf_mov_imm(struct xb_bpf_asm *a, int dst, int32_t imm)
{
	add(a, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm, -1);
}

void xb_bpf_mov(struct xb_bpf_asm *a, int dst, int src)
{
	add(a, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0, -1);
}

void xb_bpf_alu_imm(struct xb_bpf_asm *a, int op, int dst, int32_t imm)
{
	add(a, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm, -1);
}

void xb_bpf_alu(struct xb_bpf_asm *a, int op, int dst, int src)
{
	add(a, BPF_ALU64 | op | BPF_X, dst, src, 0, 0, -1);
}

static void wide(struct xb_bpf_asm *a, int dst, int src, uint64_t imm)
{
	/* BPF_LD and BPF_IMM are 0. */
	add(a, BPF_DW, dst, src, 0, (int32_t)(uint32_t)imm, -1);
	add(a, 0, 0, 0, 0, (int32_t)(uint32_t)(imm >> 32), -1);
}

void xb_bpf_mov_imm64(struct xb_bpf_asm *a, int dst, uint64_t imm)
{
	wide(a, dst, 0, imm);
}

void xb_bpf_mov_map(struct xb_bpf_asm *a, int dst, int fd)
{
	wide(a, dst, BPF_PSEUDO_MAP_FD, (uint32_t)fd);
}

static int size_of(int width)
{
	return width == 8 ? BPF_DW : BPF_W;
}

void xb_bpf_ldx(struct xb_bpf_asm *a, int width, int dst, int src, int16_t off)
{
	add(a, BPF_LDX | BPF_MEM | size_of(width), dst, src, off, 0, -1);
}

void xb_bpf_stx(struct xb_bpf_asm *a, int width, int dst, int16_t off, int src)
{
	add(a, BPF_STX | BPF_MEM | size_of(width), dst, src, off, 0, -1);
}

void xb_bpf_st_imm(struct xb_bpf_asm *a, int width, int dst, int16_t off, int32_t imm)
{
	add(a, BPF_ST | BPF_MEM | size_of(width), dst, 0, off, imm, -1);
}

void xb_bpf_add_atomic(struct xb_bpf_asm *a, int dst, int16_t off, int src)
{
	add(a, BPF_STX | BPF_ATOMIC | BPF_DW, dst, src, off, BPF_ADD, -1);
}

void xb_bpf_jmp_imm(struct xb_bpf_asm *a, int op, int dst, int32_t imm, int label)
{
	add(a, BPF_JMP | op | BPF_K, dst, 0, 0, imm, label);
}

void xb_bpf_jmp(struct xb_bpf_asm *a, int op, int dst, int src, int label)
{
	add(a, BPF_JMP | op | BPF_X, dst, src, 0, 0, label);
}

void xb_bpf_goto(struct xb_bpf_asm *a, int label)
{
	add(a, BPF_JMP | BPF_JA, 0, 0, 0, 0, label);
}

void xb_bpf_call(struct xb_bpf_asm *a, int helper)
{
	add(a, BPF_JMP | BPF_CALL, 0, 0, 0, helper, -1);
}

void xb_bpf_exit(struct xb_bpf_asm *a)
{
	add(a, BPF_JMP | BPF_EXIT, 0, 0, 0, 0, -1);
}

struct xb_error *xb_bpf_finish(struct xb_bpf_asm *a)
{
	for (size_t i = 0; i < a->n && !a->failed; i++) {
		int64_t distance;

		if (a->label_of[i] < 0)
			continue;
		distance = a->place[a->label_of[i]] - (int64_t)i - 1;
		a->failed |=
			a->place[a->label_of[i]] < 0 || distance > INT16_MAX || distance < INT16_MIN;
		a->insn[i].off = (int16_t)distance;
	}
	return a->failed ? xb_errorf(XB_ERR_LIMIT, "the BPF program does not fit its assembler") : NULL;
}
