/*
 * What the ELF tests look at: symbols of every kind and code whose operands are known to the byte.
 * Built as a program and as a shared library, never run except for what a dlopen() does.
 */
#include <stdint.h>

int sample_counter = 7;
uint64_t sample_table[16] = { 1 };
uint8_t sample_flag;
static uint64_t hidden_table[4] = { 42 };

int sample_add(int a, int b);
uint64_t *sample_hidden(void);
int sample_alias(int a, int b) __attribute__((alias("sample_add")));
int __sample_alias(int a, int b) __attribute__((weak, alias("sample_add")));

__attribute__((noinline)) int sample_add(int a, int b)
{
	return a + b + sample_counter;
}

static __attribute__((noinline, used)) uint64_t hidden_sum(unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n % 4; i++)
		sum += hidden_table[i];
	return sum;
}

/* The only exported way to hidden_table. */
__attribute__((noinline)) uint64_t *sample_hidden(void)
{
	return &hidden_table[hidden_sum(0)];
}

/* Symbols without a size: one inside a function, two alone, the last up to the end of its section. */
__asm__(".section .text.unsized,\"ax\",@progbits\n"
	".globl outer_function\n"
	".type outer_function,@function\n"
	"outer_function:\n"
	"	.cfi_startproc\n"
	"	nop\n"
	"label_inside:\n"
	"	nop\n"
	"	nop\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size outer_function,.-outer_function\n"
	".skip 16,0x90\n"
	".globl unsized_first\n"
	".type unsized_first,@function\n"
	"unsized_first:\n"
	"	.skip 7,0x90\n"
	"	ret\n"
	".globl unsized_second\n"
	".type unsized_second,@function\n"
	"unsized_second:\n"
	"	.skip 3,0x90\n"
	"	ret\n"
	".text\n");

/* The shared library must not need copy relocations or symbol interposition: hidden aliases. */
extern int counter_here __attribute__((alias("sample_counter"), visibility("hidden")));
extern uint64_t table_here[16] __attribute__((alias("sample_table"), visibility("hidden")));
extern uint8_t flag_here __attribute__((alias("sample_flag"), visibility("hidden")));

__asm__(".text\n"
	".globl mine_me\n"
	".type mine_me,@function\n"
	"mine_me:\n"
	"	.cfi_startproc\n"
	"	movl counter_here(%rip), %eax\n"
	"	leaq table_here(%rip), %r9\n"
	"	movq %rcx, table_here+8(%rip)\n"
	"	cmpq $0x1234, 24(%r9,%rax,8)\n"
	"	movb $1, flag_here(%rip)\n"
	"	addw $2, 6(%rdi)\n"
	"	shl $5, %rax\n"
	"	jne 1f\n"
	"	call mine_callee\n"
	"1:	movq %fs:40, %rdx\n"
	"	movq 16(%r13), %r14\n"
	"	nopw 0(%rax,%rax,1)\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size mine_me,.-mine_me\n"
	".type mine_callee,@function\n"
	"mine_callee:\n"
	"	.cfi_startproc\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size mine_callee,.-mine_callee\n");
