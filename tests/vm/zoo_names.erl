%% Zoo: names. Atoms that need quotes, escapes or Unicode, as names of modules,
%% functions and processes; functions with up to 255 arguments; modules without
%% line numbers, with other people's file names and with very large lines; a
%% very large function; functions at the very end of a module.
-module(zoo_names).
-export([shapes/0]).
-compile({no_auto_import, [registered/0]}).

-define(A, 1).

shapes() ->
    [{registered, once, fun registered/0},
     {odd_functions, once, fun odd_functions/0},
     {odd_modules, once, fun odd_modules/0},
     {odd_funs, once, fun odd_funs/0},
     {arity, once, fun arity/0},
     {lines, once, fun lines/0},
     {many_files, once, fun many_files/0},
     {no_lines, once, fun no_lines/0},
     {large_function, once, fun large_function/0},
     {last_function, once, fun last_function/0},
     {elixir, many, fun() -> spawn('Elixir.Zoo.Keeper', 'handle-call!', [0]) end},
     {elixir_fun, many, fun() -> spawn('Elixir.Zoo.Keeper', '-anonymous fn/1-', [1]) end}].

%% Every one may name a function or, if it is not too long, a module.
odd_names() ->
    ['hello world', 'Ünï', 'ünder', '日本', 'with\'quote', '', 'line\nbreak',
     'semi;colon', 'tab\there', 'back\\slash', 'a:b/1', '<0.1.0>', '-', '/', ':',
     '+0x10', 'UPPER', '_under', '9lives', 'a@b', 'dollar$', '$end', 'end', 'when',
     'fun', '"double"', '$mod:fun/1', 'a b\r', '\0nul', '\e[31mred', '\x7f', '\xa0',
     'é', 'Ελληνικά', 'Привет', 'שלום', '🐘', 'x-CodeInfoPrologue', '{tuple}', '[list]',
     '%', '#', '\x{202e}rtl', 'a,b', ' ', 'true', 'infinity', long(ascii)].

%% 255 characters; the wide one has 765 bytes, which code of OTP < 28 cannot
%% name, but a process can be registered so.
long(ascii) -> list_to_atom(lists:duplicate(255, $x));
long(wide) -> list_to_atom(lists:duplicate(255, 16#65e5));
long(fits) -> list_to_atom(lists:duplicate(85, 16#65e5)).

registered() ->
    [begin
         Pid = spawn(zoo, park, []),
         true = register(Name, Pid),
         Pid
     end || Name <- [long(wide), long(fits) | odd_names()]].

%% One process whose stack consists of all these functions, and one per name.
odd_functions() ->
    Names = [long(fits) | odd_names()],
    Module = zoo_gen:load('zoo odd; näming', zoo_gen:chain('zoo odd; näming', Names)),
    [spawn(Module, hd(Names), [[]]) |
     [spawn(Module, Name, [[]]) || Name <- lists:nthtail(length(Names) - 12, Names)]].

odd_modules() ->
    Names = [start, 'the middle', zoo_placeholder],
    [begin
         Module = zoo_gen:load_renamed(Name, zoo_gen:chain(zoo_placeholder, Names)),
         spawn(Module, start, [[]])
     end || Name <- ['', ' ', 'a\nb', 'a b', 'Ünï módulo', '日本語', 'it\'s', 'a;b', '$global',
                     'Elixir.String.Zoo', '🐘', long(ascii), long(fits)]].

%% Funs in functions with such names get names such as '-it''s/1-fun-0-'.
odd_funs() ->
    Module = 'zoo "funs"',
    Names = ['it\'s', '日本', 'a/1-fun-0-', '-x/0-fun-1-', 'hello world'],
    zoo_gen:load(Module,
        [zoo_gen:function(Name, ['X'],
            [{call, ?A, {'fun', ?A, {clauses, [{clause, ?A, [{var, ?A, 'Y'}], [],
                [{tuple, ?A, [{var, ?A, 'Y'}, {var, ?A, 'X'},
                              zoo_gen:atom_call({zoo, park}, [])]}]}]}},
             [{tuple, ?A, [{var, ?A, 'X'}]}]},
             {var, ?A, 'X'}]) || Name <- Names]),
    [spawn(Module, Name, [x]) || Name <- Names].

arity() ->
    Arities = [0, 1, 2, 3, 10, 15, 16, 17, 100, 200, 254, 255],
    Vars = fun(N) -> [list_to_atom("V" ++ integer_to_list(I)) || I <- lists:seq(1, N)] end,
    zoo_gen:load(zoo_arity,
        [zoo_gen:function(f, Vars(N),
            [zoo_gen:atom_call({zoo, park}, []),
             lists:foldr(fun(V, T) -> {cons, ?A, {var, ?A, V}, T} end, {nil, ?A}, Vars(N))])
         || N <- Arities]),
    [spawn(zoo_arity, f, lists:seq(1, N)) || N <- Arities].

%% The VM packs a location into a file number of 8 and a line of 24 bits.
lines() ->
    Lines = [1, 2, 255, 256, 4095, 4096, 65534, 65535, 65536, 70000, 1048575, 1048576,
             16777212, 16777213, 16777214, 16777215, 16777216],
    [lines(zoo_lines, [], Lines),
     lines(zoo_lines_file, [{attribute, 1, file, {"some/other/grammar.yrl", 1}}], Lines),
     lines(zoo_lines_wide, [{attribute, 1, file, {"Ünï/日本 語.erl", 1}}], Lines)].

lines(Module, Before, Lines) ->
    Name = fun(L) -> list_to_atom("line_" ++ integer_to_list(L)) end,
    zoo_gen:load(Module,
        Before ++ [relocate(zoo_gen:function(Name(L), ['X'],
                       [{cons, ?A, case Next of
                           none -> zoo_gen:atom_call({zoo, park}, []);
                           _ -> {call, ?A, {atom, ?A, Name(Next)}, [{var, ?A, 'X'}]}
                        end, {var, ?A, 'X'}}]), L)
                   || {L, Next} <- lists:zip(Lines, tl(Lines) ++ [none])]),
    spawn(Module, Name(hd(Lines)), [[]]).

relocate(Form, Line) ->
    erl_parse:map_anno(fun(_) -> erl_anno:new(Line) end, Form).

%% More files than a location can number.
many_files() ->
    Names = [list_to_atom("file_" ++ integer_to_list(I)) || I <- lists:seq(1, 300)],
    Chain = zoo_gen:chain(zoo_files, Names),
    zoo_gen:load(zoo_files, lists:append(
        [[{attribute, 1, file, {atom_to_list(Name) ++ ".erl", 1}}, relocate(Form, 10)]
         || {Name, Form} <- lists:zip(Names, Chain)])),
    [spawn(zoo_files, lists:nth(I, Names), [[]]) || I <- [1, 230, 280]].

no_lines() ->
    Names = [first, second, third],
    zoo_gen:load(zoo_no_lines, zoo_gen:chain(zoo_no_lines, Names), [no_line_info]),
    [spawn(zoo_no_lines, first, [[]]) || _ <- [1, 2]].

%% About a megabyte of native code in one function; the park is near its end.
large_function() ->
    Call = fun(N) ->
        {match, ?A, {var, ?A, var(N)},
         zoo_gen:atom_call({erlang, max}, [{var, ?A, var(N - 1)}, {integer, ?A, N}])}
    end,
    Count = 2000,
    zoo_gen:load(zoo_large,
        [zoo_gen:function(large, [var(0)],
            [Call(N) || N <- lists:seq(1, Count)] ++
            [{tuple, ?A, [zoo_gen:atom_call({zoo, park}, []), {var, ?A, var(Count)}]}])]),
    [spawn(zoo_large, large, [1])].

var(N) -> list_to_atom("V" ++ integer_to_list(N)).

%% The last instruction of the last function is a call: its return address is
%% as close to the end of the module's code as it can be.
last_function() ->
    Body = [{'case', ?A, {var, ?A, 'X'},
             [{clause, ?A, [{atom, ?A, go}], [], [{atom, ?A, went}]},
              {clause, ?A, [{var, ?A, 'Y'}], [],
               [zoo_gen:atom_call({zoo, park}, []),
                zoo_gen:atom_call({erlang, error}, [{var, ?A, 'Y'}])]}]}],
    zoo_gen:load(zoo_last, [zoo_gen:function(first, ['X'],
                                [{tuple, ?A, [{call, ?A, {atom, ?A, last}, [{var, ?A, 'X'}]}]}]),
                            zoo_gen:function(last, ['X'], Body)]),
    [spawn(zoo_last, first, [stay])].
