/* Stands in for libFuzzer's main: runs the fuzz target over the files of the corpus directories given.
 */
#include "base/base.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	enum { MAX = 1 << 20 };
	unsigned char *buf = malloc(MAX);
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL || buf == NULL) {
		perror(path);
		exit(1);
	}
	n = fread(buf, 1, MAX, f);
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput(buf, n);
	free(buf);
	return 1;
}

int main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		if (dir == NULL) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(dir)) != NULL) {
			char path[4096];

			if (entry->d_name[0] == '.')
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			files += replay_file(path);
		}
		(void)closedir(dir);
	}
	printf("%d inputs\n", files);
	return files > 0 ? 0 : 1;
}
