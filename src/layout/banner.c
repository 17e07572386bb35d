#include "layout/banner.h"

#include <string.h>

enum { STACK_WORDS = 3 }; /* the first of them */

static const char *const known[] = {
	"jit", "jit:ns", "jit:no-native-stack", "debug-compiled", "lock-checking", "lock-counting"
};

bool xb_banner_knows(const char *word)
{
	for (size_t i = 0; i < XB_ARRAY_LEN(known); i++) {
		if (strcmp(known[i], word) == 0)
			return true;
	}
	return false;
}

/* "[word]", or "[word%s]" where the banner is the format. */
static bool shows(const char *banner, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strchr(banner, '['); at != NULL; at = strchr(at + 1, '[')) {
		if (strncmp(at + 1, word, len) == 0 && (at[1 + len] == ']' || at[1 + len] == '%'))
			return true;
	}
	return false;
}

static bool lists(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; *at != '\0'; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		if (n == len && memcmp(at, word, len) == 0)
			return true;
		at += n;
	}
	return false;
}

void xb_banner_write(const char *banner, struct xb_str *out)
{
	bool any = false;

	for (size_t i = 0; i < XB_ARRAY_LEN(known); i++) {
		if (!shows(banner, known[i]))
			continue;
		xb_str_addf(out, "%s%s", any ? " " : "", known[i]);
		any = true;
	}
}

/* Whether @banner has exactly those of the first @n known words that @words holds. */
static bool same(const char *banner, const char *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (shows(banner, known[i]) != lists(words, known[i]))
			return false;
	}
	return true;
}

bool xb_banner_is(const char *banner, const char *words)
{
	return same(banner, words, XB_ARRAY_LEN(known));
}

bool xb_banner_same_stack(const char *banner, const char *words)
{
	return same(banner, words, STACK_WORDS);
}
