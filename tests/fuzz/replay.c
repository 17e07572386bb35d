/*
 * Runs a fuzzer over the files given, and over damaged copies of each, so that its corpus is a test
 * with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_INPUT (1 << 20)

/* Every prefix, and every byte replaced by a few telling ones, for small inputs. */
static unsigned long damage(uint8_t *data, size_t size)
{
	static const uint8_t bytes[] = { 0x00, 0xff, 0x80, '\'', '\\', '{', '<', '.' };
	unsigned long runs = 0;

	for (size_t n = 0; n <= size && size <= 4096; n++, runs++)
		(void)LLVMFuzzerTestOneInput(data, n);
	for (size_t i = 0; i < size && size <= 512; i++) {
		uint8_t old = data[i];

		for (size_t b = 0; b < sizeof(bytes); b++, runs++) {
			data[i] = bytes[b];
			(void)LLVMFuzzerTestOneInput(data, size);
		}
		data[i] = old;
	}
	return runs;
}

int main(int argc, char **argv)
{
	uint8_t *data = malloc(SIZE_MAX_INPUT);
	unsigned long runs = 0;

	if (data == NULL)
		return 1;
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		size_t n;

		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		n = fread(data, 1, SIZE_MAX_INPUT, f);
		(void)fclose(f);
		runs += damage(data, n);
	}
	free(data);
	printf("%d inputs, %lu runs\n", argc - 1, runs);
	return runs > 0 ? 0 : 1;
}
