/*
 * deny SYSCALL COMMAND [ARGUMENT…]: COMMAND without one system call, as a container's seccomp profile has it: it fails with
 * EPERM.  SYSCALL is perf_event_open or process_vm_readv.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned nr = argc > 1 && strcmp(argv[1], "perf_event_open") == 0    ? SYS_perf_event_open
		      : argc > 1 && strcmp(argv[1], "process_vm_readv") == 0 ? SYS_process_vm_readv
									     : 0;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (nr == 0 || argc < 3) {
		(void)fprintf(stderr, "usage: deny SYSCALL COMMAND [ARGUMENT…]\n");
		return 126;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("deny");
		return 126;
	}
	(void)execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
