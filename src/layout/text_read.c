#include "layout/text.h"

#include "base/num.h"
#include "layout/banner.h"
#include "layout/text_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FILE_BYTES = 1 << 20, /* of a table; the built-in ones have 4 KiB */
	MAX_WORDS = 8,        /* of a line, without the one too many */
	MAX_NAME = 64,
};

/* --- the lines that are no entries --- */

static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-");

	return n > 0 && n <= MAX_NAME && s[n] == '\0';
}

static struct xb_error *take_table(struct xb_text_reader *r, const char *name)
{
	if (r->table_line != 0)
		return XB_TEXT_BAD(r, "a second table; the first is in line %u, and a file holds one",
				   r->table_line);
	if (!is_name(name))
		return XB_TEXT_BAD(r, "'%.*s' is no name for a table", XB_TEXT_SHOWN, name);
	r->table_line = r->at;
	r->l.name = xb_arena_strndup(r->arena, name, strlen(name));
	return r->l.name == NULL ? xb_error_nomem() : NULL;
}

/* "otp-25-jit, otp-25-emu, …" */
static void list_tables(struct xb_str *s)
{
	struct xb_layout l;

	for (size_t i = 0; i < xb_layout_n_builtin(); i++) {
		xb_layout_builtin(i, &l);
		xb_str_addf(s, "%s%s", i == 0 ? "" : ", ", l.name);
	}
}

static struct xb_error *take_inherit(struct xb_text_reader *r, const char *name)
{
	struct xb_str known = XB_STR_INIT;
	struct xb_error *err;
	struct xb_layout l;

	if (r->inherit_line != 0)
		return XB_TEXT_BAD(r, "a second inherit; the first is in line %u", r->inherit_line);
	if (r->entries > 0 || r->release_line != 0 || r->flavor_line != 0 || r->provenance_line != 0)
		return XB_TEXT_BAD(r, "inherit comes before everything that it is to be the rest of");
	r->inherit_line = r->at;
	if (xb_layout_named(name, &l)) {
		l.base = l.name;
		l.name = r->l.name;
		l.file = r->l.file;
		l.banner = r->l.banner;
		r->l = l;
		return NULL;
	}
	list_tables(&known);
	err = XB_TEXT_BAD(r, "there is no built-in table %.*s to inherit from (there are %s)",
			  XB_TEXT_SHOWN, name, xb_str_get(&known));
	xb_str_deinit(&known);
	return err;
}

static struct xb_error *take_release(struct xb_text_reader *r, const char *text)
{
	enum { NEWEST = 999 };
	uint64_t release;

	if (r->release_line != 0)
		return XB_TEXT_BAD(r, "the release is given twice, first in line %u", r->release_line);
	if (!xb_num_u64(text, NEWEST, &release) || release == 0)
		return XB_TEXT_BAD(r, "'%.*s' is no OTP release", XB_TEXT_SHOWN, text);
	r->release_line = r->at;
	r->l.release = (unsigned)release;
	return NULL;
}

static struct xb_error *take_flavor(struct xb_text_reader *r, const char *text)
{
	if (r->flavor_line != 0)
		return XB_TEXT_BAD(r, "the flavor is given twice, first in line %u", r->flavor_line);
	if (strcmp(text, "jit") != 0 && strcmp(text, "emu") != 0)
		return XB_TEXT_BAD(r, "the flavor is jit or emu, not '%.*s'", XB_TEXT_SHOWN, text);
	r->flavor_line = r->at;
	r->l.flavor = text[0] == 'j' ? XB_FLAVOR_JIT : XB_FLAVOR_EMU;
	return NULL;
}

static struct xb_error *take_provenance(struct xb_text_reader *r, const char *text)
{
	if (r->provenance_line != 0)
		return XB_TEXT_BAD(r, "the provenance is given twice, first in line %u",
				   r->provenance_line);
	if (strcmp(text, "run") != 0 && strcmp(text, "source") != 0)
		return XB_TEXT_BAD(r, "the provenance is run or source, not '%.*s'", XB_TEXT_SHOWN,
				   text);
	r->provenance_line = r->at;
	r->l.source_only = text[0] == 's';
	return NULL;
}

static struct xb_error *take_banner(struct xb_text_reader *r, char *const *word, size_t n)
{
	struct xb_str text = XB_STR_INIT;

	if (r->banner_line != 0)
		return XB_TEXT_BAD(r, "the banner is given twice, first in line %u", r->banner_line);
	for (size_t i = 1; i < n; i++) {
		if (!xb_banner_knows(word[i])) {
			xb_str_deinit(&text);
			return XB_TEXT_BAD(r, "banner: '%.*s' says nothing of where fields are",
					   XB_TEXT_SHOWN, word[i]);
		}
		xb_str_addf(&text, "%s%s", i == 1 ? "" : " ", word[i]);
	}
	r->banner_line = r->at;
	r->l.banner = text.oom ? NULL : xb_arena_strndup(r->arena, xb_str_get(&text), text.len);
	xb_str_deinit(&text);
	return r->l.banner == NULL ? xb_error_nomem() : NULL;
}

/* --- lines --- */

static bool is_entry(const char *word)
{
	for (int k = 0; k < XB_TEXT_KINDS; k++) {
		if (strcmp(word, xb_entry_kind_name((enum xb_entry_kind)k)) == 0)
			return true;
	}
	return false;
}

static struct xb_error *take_words(struct xb_text_reader *r, char *const *word, size_t n)
{
	static const struct {
		const char *word;
		struct xb_error *(*take)(struct xb_text_reader *r, const char *text);
	} heads[] = {
		{ "table", take_table },           { "inherit", take_inherit },
		{ "release", take_release },       { "flavor", take_flavor },
		{ "provenance", take_provenance },
	};

	if (r->table_line == 0 && strcmp(word[0], "table") != 0)
		return XB_TEXT_BAD(r, "the first line of a table names it: table NAME");
	for (size_t i = 0; i < XB_ARRAY_LEN(heads); i++) {
		if (strcmp(word[0], heads[i].word) != 0)
			continue;
		if (n != 2)
			return XB_TEXT_BAD(r, "%s wants one word behind it", word[0]);
		return heads[i].take(r, word[1]);
	}
	if (strcmp(word[0], "banner") == 0)
		return take_banner(r, word, n);
	if (!is_entry(word[0]))
		return XB_TEXT_BAD(r, "unknown word '%.*s'", XB_TEXT_SHOWN, word[0]);
	return xb_text_entry(r, word, n);
}

/* One line, without its end; cut into words where it lies. */
static struct xb_error *take_line(struct xb_text_reader *r, char *line)
{
	char *word[MAX_WORDS + 1], *save = NULL;
	size_t n = 0;

	line[strcspn(line, "#")] = '\0';
	for (const char *c = line; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' && *c != '\t')
			return XB_TEXT_BAD(
				r, "a control character; this is no text file of lines that end in LF");
	}
	for (char *w = strtok_r(line, " \t", &save); w != NULL && n <= MAX_WORDS;
	     w = strtok_r(NULL, " \t", &save))
		word[n++] = w;
	return n == 0 ? NULL : take_words(r, word, n);
}

struct xb_error *xb_layout_parse(const char *text, size_t len, const char *file, struct xb_arena *arena,
				 struct xb_layout *ret)
{
	struct xb_text_reader r = { .file = file, .arena = arena };
	char *copy, *next;

	if (len > FILE_BYTES)
		return xb_errorf(XB_ERR_BAD_FILE, "%s: a layout table is never larger than %d bytes",
				 file, FILE_BYTES);
	if (memchr(text, '\0', len) != NULL)
		return xb_errorf(XB_ERR_BAD_FILE, "%s: no layout table: it holds a byte 0", file);
	copy = xb_arena_strndup(arena, text, len);
	if (copy == NULL)
		return xb_error_nomem();
	r.l.file = file;
	for (int i = 0; i < XB_R__COUNT; i++)
		r.l.reg[i] = -1;
	for (char *line = copy; line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		r.at++;
		XB_TRY(take_line(&r, line));
	}
	if (r.table_line == 0)
		return XB_TEXT_BAD(&r, "there is no table in this file");
	if (r.l.release == 0)
		return XB_TEXT_BAD(&r, "table %s ends and does not give its release", r.l.name);
	if (r.flavor_line == 0 && r.inherit_line == 0)
		return XB_TEXT_BAD(&r, "table %s ends and does not give its flavor", r.l.name);
	if (r.l.banner != NULL && (strncmp(r.l.banner, "jit", 3) == 0) != (r.l.flavor == XB_FLAVOR_JIT))
		return XB_TEXT_BAD(&r, "table %s: its flavor and its banner contradict each other",
				   r.l.name);
	XB_TRY(xb_text_finish(&r));
	r.l.from_file = r.entries;
	*ret = r.l;
	return NULL;
}

struct xb_error *xb_layout_load(const char *path, struct xb_arena *arena, struct xb_layout *ret)
{
	char *name = xb_arena_strndup(arena, path, strlen(path));
	char *bytes = malloc(FILE_BYTES + 1);
	struct xb_error *err = NULL;
	size_t len = 0;
	ssize_t got = 1;
	int fd;

	if (name == NULL || bytes == NULL) {
		free(bytes);
		return xb_error_nomem();
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err = xb_error_sys(errno, "cannot open the layout table %s", path);
	/* One byte more than allowed, to see that there is more. */
	while (err == NULL && got > 0 && len <= FILE_BYTES) {
		got = read(fd, bytes + len, FILE_BYTES + 1 - len);
		if (got < 0 && errno != EINTR)
			err = xb_error_sys(errno, "cannot read the layout table %s", path);
		len += got > 0 ? (size_t)got : 0;
		got = got < 0 ? 1 : got;
	}
	if (fd >= 0)
		(void)close(fd);
	if (err == NULL)
		err = xb_layout_parse(bytes, len, name, arena, ret);
	free(bytes);
	return err;
}
