#include "elf/regs.h"

#include <asm/perf_regs.h>
#include <string.h>
#include <strings.h>

/* In the order of enum xb_reg. */
static const struct {
	const char *name;
	unsigned char perf;
} table[XB_REG_COUNT] = {
	[XB_REG_RAX] = { "rax", PERF_REG_X86_AX },  [XB_REG_RDX] = { "rdx", PERF_REG_X86_DX },
	[XB_REG_RCX] = { "rcx", PERF_REG_X86_CX },  [XB_REG_RBX] = { "rbx", PERF_REG_X86_BX },
	[XB_REG_RSI] = { "rsi", PERF_REG_X86_SI },  [XB_REG_RDI] = { "rdi", PERF_REG_X86_DI },
	[XB_REG_RBP] = { "rbp", PERF_REG_X86_BP },  [XB_REG_RSP] = { "rsp", PERF_REG_X86_SP },
	[XB_REG_R8] = { "r8", PERF_REG_X86_R8 },    [XB_REG_R9] = { "r9", PERF_REG_X86_R9 },
	[XB_REG_R10] = { "r10", PERF_REG_X86_R10 }, [XB_REG_R11] = { "r11", PERF_REG_X86_R11 },
	[XB_REG_R12] = { "r12", PERF_REG_X86_R12 }, [XB_REG_R13] = { "r13", PERF_REG_X86_R13 },
	[XB_REG_R14] = { "r14", PERF_REG_X86_R14 }, [XB_REG_R15] = { "r15", PERF_REG_X86_R15 },
	[XB_REG_RIP] = { "rip", PERF_REG_X86_IP },
};

const char *xb_reg_name(unsigned reg)
{
	return reg < XB_REG_COUNT ? table[reg].name : NULL;
}

bool xb_reg_from_name(const char *name, enum xb_reg *ret)
{
	if (*name == '%')
		name++;
	for (unsigned i = 0; i < XB_REG_COUNT; i++) {
		if (strcasecmp(name, table[i].name) == 0) {
			*ret = (enum xb_reg)i;
			return true;
		}
	}
	return false;
}

int xb_reg_from_perf(unsigned perf_reg)
{
	for (unsigned i = 0; i < XB_REG_COUNT; i++) {
		if (table[i].perf == perf_reg)
			return (int)i;
	}
	return -1;
}

unsigned xb_reg_to_perf(enum xb_reg reg)
{
	return table[reg].perf;
}

uint64_t xb_regs_perf_mask(void)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < XB_REG_COUNT; i++)
		mask |= (uint64_t)1 << table[i].perf;
	return mask;
}

bool xb_regs_from_perf(uint64_t mask, const uint64_t *values, size_t n, struct xb_regs *ret)
{
	if ((size_t)__builtin_popcountll(mask) != n)
		return false;
	*ret = (struct xb_regs){ .valid = 0 };
	for (unsigned i = 0; i < XB_REG_COUNT; i++) {
		uint64_t bit = (uint64_t)1 << table[i].perf;

		/* The place of a register is the number of wanted registers below it. */
		if ((mask & bit) != 0)
			xb_regs_set(ret, (enum xb_reg)i,
				    values[(unsigned)__builtin_popcountll(mask & (bit - 1))]);
	}
	return true;
}
