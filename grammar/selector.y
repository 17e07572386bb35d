/*
 * Expressions that choose processes and functions.  README.md describes the language; actions only call
 * cli/selector_build.h, so that everything worth testing is plain C.
 */
%define api.pure full
%define api.prefix {xb_selector_y}
%define api.location.type {struct xb_selector_span}
%define parse.error custom
%define parse.lac full
%locations
%param {void *scanner}
%parse-param {struct xb_selector_build *b}

%code top {
/* The grammar does not nest and its list is left-recursive: a few entries do, and the bound is never met. */
#define YYINITDEPTH 32
#define YYMAXDEPTH  64
}

%code requires {
#include "cli/selector_build.h"

#define YYLLOC_DEFAULT(current, rhs, n)                                                                \
	do {                                                                                           \
		(current).first = (n) ? YYRHSLOC(rhs, 1).first : YYRHSLOC(rhs, 0).last;                \
		(current).last = (n) ? YYRHSLOC(rhs, n).last : YYRHSLOC(rhs, 0).last;                  \
	} while (0)
}

%code provides {
/* The scanner knows these types by their unprefixed names. */
#define YYSTYPE XB_SELECTOR_YSTYPE
#define YYLTYPE XB_SELECTOR_YLTYPE
}

%union {
	struct xb_selector_atom atom;
	struct xb_selector item;
	uint32_t number;
	uint32_t pid[3];
}

%code {
#include "selector_scan.h"

#include <string.h>

static void xb_selector_yerror(const struct xb_selector_span *where, void *scanner,
			       struct xb_selector_build *b, const char *what)
{
	(void)scanner;
	xb_selector_fail(b, *where, what);
}

#define MUST(call)                                                                                     \
	do {                                                                                           \
		if (!(call))                                                                           \
			YYABORT;                                                                       \
	} while (0)
}

%token START_PROCESSES START_FUNCTION
%token BARE "name" QUOTED "quoted atom" ALIAS "Elixir module" NUMBERS "number" ANY "'_'" CNAME "word"
%token COMMA "','" COLON "':'" SLASH "'/'" LESS "'<'" GREATER "'>'" BAD "character"
%token END 0 "end"

%type <atom> atom pattern
%type <item> process mfa function
%type <number> arity
%type <pid> pid

%%

start:
	START_PROCESSES processes
|	START_FUNCTION function		{ MUST(xb_selector_add(b, @function, &$function)); }
;

processes:
	process				{ MUST(xb_selector_add(b, @process, &$process)); }
|	processes COMMA process		{ MUST(xb_selector_add(b, @process, &$process)); }
;

process:
	pid				{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_PID };
					  memcpy($$.pid, $pid, sizeof($$.pid)); }
|	LESS pid GREATER		{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_PID };
					  memcpy($$.pid, $pid, sizeof($$.pid)); }
|	atom				{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_NAME, .name = $atom }; }
|	mfa
;

pid:
	NUMBERS				{ MUST(xb_selector_pid(b, @1, $$)); }
;

mfa:
	pattern[m] COLON pattern[f]	{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_MFA, .module = $m,
						.function = $f, .arity = XB_SELECTOR_ANY_ARITY }; }
|	pattern[m] COLON pattern[f] SLASH arity
					{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_MFA, .module = $m,
						.function = $f, .arity = $arity }; }
;

arity:
	NUMBERS				{ MUST(xb_selector_arity(b, @1, &$$)); }
|	ANY				{ $$ = XB_SELECTOR_ANY_ARITY; }
;

pattern:
	atom
|	ANY				{ $$ = (struct xb_selector_atom){ 0 }; }
;

atom:
	BARE				{ MUST(xb_selector_bare(b, @1, &$$)); }
|	QUOTED				{ MUST(xb_selector_quoted(b, @1, &$$)); }
|	ALIAS				{ MUST(xb_selector_alias(b, @1, &$$)); }
;

/* A word alone is a C function here: Erlang functions never go without their module. */
function:
	BARE				{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_NATIVE };
					  MUST(xb_selector_bare(b, @1, &$$.name)); }
|	ALIAS				{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_NATIVE };
					  MUST(xb_selector_bare(b, @1, &$$.name)); }
|	CNAME				{ $$ = (struct xb_selector){ .kind = XB_SELECTOR_NATIVE };
					  MUST(xb_selector_bare(b, @1, &$$.name)); }
|	mfa
;

%%

static int yyreport_syntax_error(const yypcontext_t *context, void *scanner,
					    struct xb_selector_build *b)
{
	enum { MOST = 8 };
	yysymbol_kind_t expected[MOST];
	int n = yypcontext_expected_tokens(context, expected, MOST);
	yysymbol_kind_t found = yypcontext_token(context);
	struct xb_str what = XB_STR_INIT;

	(void)scanner;
	if (found != YYSYMBOL_YYEMPTY)
		xb_str_addf(&what, "unexpected %s", yysymbol_name(found));
	for (int i = 0; i < n; i++)
		xb_str_addf(&what, "%s%s", i == 0 ? ", expected " : i + 1 == n ? " or " : ", ",
			    yysymbol_name(expected[i]));
	xb_selector_fail(b, *yypcontext_location(context), xb_str_get(&what));
	xb_str_deinit(&what);
	return 0;
}
