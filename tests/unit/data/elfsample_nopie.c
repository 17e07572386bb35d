/* A program at a fixed address: code names data by its address, as an immediate and with an index. */
#include <stdint.h>

uint64_t fixed_table[8] = { 1 };

__asm__(".text\n"
	".type fixed_code,@function\n"
	"fixed_code:\n"
	"	.cfi_startproc\n"
	"	movl $fixed_table, %edi\n"
	"	movq fixed_table(,%rax,8), %rdx\n"
	"	leaq fixed_table(,%rax,8), %rcx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size fixed_code,.-fixed_code\n");

int main(void)
{
	return 0;
}
