%% Code that comes and goes.
%%
%% codeload [churn [RATE]]
%%     Without arguments nothing happens until it is told to. With `churn' the
%%     module codeload_churn is reloaded RATE times per second (default 20)
%%     while the process codeload_spinner executes in it. Its 16 versions are
%%     made beforehand and differ in size, so that a function of the same name
%%     is at another address and a foreign one at its former address; all have
%%     run/1, calling outer/1, middle/1 and inner/1 with a frame each, and a
%%     varying number of functions filler_1/1, filler_2/1... before, between
%%     and after. No process is ever killed: a version is purged when nobody is
%%     in it any more.
%%
%% Commands:
%%   load K            load K more modules of 10 functions f1/1...f10/1, and some
%%                     more functions the compiler adds; prints their names
%%   fill N            load modules of 150 functions until the VM has N functions
%%                     in all, as code:all_loaded/0 and module_info tell
%%   reload NAME       load NAME anew, with one more function; the version before
%%                     becomes old code (NAME must have been loaded by `load')
%%   delete NAME       make its code old
%%   purge NAME        remove its old code, killing who is in it
%%   hold NAME         spawn a process that is parked in NAME:f1/1; prints its pid
%%   functions         how many functions there are
%%   churn RATE        start or change the rate of churning; 0 stops it
%%   stats             "churn <reloads> <calls of run/1>"
-module(codeload).
-export([main/1, handle/2, churner/2, spinner/1]).

-record(s, {next = 1, versions = #{}, assembly, churner, counters}).

main([]) -> #s{counters = counters:new(2, [])};
main(["churn"]) -> main(["churn", "20"]);
main(["churn", Rate]) -> churn(list_to_integer(Rate), main([])).

handle(["load", K], S) ->
    {Names, S1} = load_many(list_to_integer(K), S, []),
    {ok, [[Name, $\n] || Name <- Names], S1};
handle(["fill", N], S) ->
    %% The compiler itself is many functions: have it before counting.
    S1 = with_assembly(S),
    S2 = fill(list_to_integer(N) - functions(), S1),
    {ok, io_lib:format("~w~n", [functions()]), S2};
handle(["reload", Name], #s{versions = Versions} = S) ->
    Version = maps:get(Name, Versions),
    _ = code:purge(list_to_existing_atom(Name)),
    load_one(Name, 11 + Version),
    {ok, S#s{versions = Versions#{Name := Version + 1}}};
handle(["delete", Name], S) ->
    {ok, io_lib:format("~w~n", [code:delete(list_to_existing_atom(Name))]), S};
handle(["purge", Name], S) ->
    {ok, io_lib:format("~w~n", [code:purge(list_to_existing_atom(Name))]), S};
handle(["hold", Name], S) ->
    Pid = spawn(list_to_existing_atom(Name), f1, [[]]),
    vmctl:await(parked, fun() -> process_info(Pid, status) =:= {status, waiting} end),
    {ok, [pid_to_list(Pid), $\n], S};
handle(["functions"], S) ->
    {ok, io_lib:format("~w~n", [functions()]), S};
handle(["churn", Rate], S) ->
    {ok, churn(list_to_integer(Rate), S)};
handle(["stats"], #s{counters = C} = S) ->
    {ok, io_lib:format("churn ~w ~w~n", [counters:get(C, 1), counters:get(C, 2)]), S};
handle(_, _) ->
    unknown.

load_many(0, S, Names) ->
    {lists:reverse(Names), S};
load_many(K, #s{next = Next, versions = Versions} = S, Names) ->
    Name = "codeload_" ++ integer_to_list(Next),
    load_one(Name, 10),
    load_many(K - 1, S#s{next = Next + 1, versions = Versions#{Name => 0}}, [Name | Names]).

load_one(Name, Functions) ->
    Module = list_to_atom(Name),
    zoo_gen:load(Module, zoo_gen:chain(Module, names("f", Functions))).

names(Prefix, N) ->
    [list_to_atom(Prefix ++ integer_to_list(I)) || I <- lists:seq(1, N)].

functions() ->
    lists:sum([length(M:module_info(functions)) || {M, _} <- code:all_loaded()]).

%% One module is compiled; the others are copies under other names.
with_assembly(#s{assembly = undefined} = S) ->
    Forms = zoo_gen:chain(zoo_placeholder, names("part_", 148)),
    Assembly = zoo_gen:assembly(Forms),
    _ = zoo_gen:assemble(Assembly, codeload_fill),
    S#s{assembly = Assembly};
with_assembly(S) ->
    S.

fill(Missing, S) when Missing =< 0 ->
    S;
fill(Missing, #s{assembly = Assembly, next = Next} = S) ->
    Module = list_to_atom("codeload_fill_" ++ integer_to_list(Next)),
    Binary = zoo_gen:assemble(Assembly, Module),
    {module, Module} = code:load_binary(Module, "zoo_gen", Binary),
    fill(Missing - 150, S#s{next = Next + 1}).

churn(Rate, #s{churner = undefined, counters = C} = S) when Rate > 0 ->
    [First | _] = Binaries = [churn_version(V) || V <- lists:seq(1, 16)],
    load_churn(First),
    register(codeload_spinner, spawn_link(?MODULE, spinner, [C])),
    Churner = spawn_link(?MODULE, churner, [Binaries, C]),
    register(codeload_churner, Churner),
    vmctl:await(spinning, fun() -> counters:get(C, 2) > 10 end),
    churn(Rate, S#s{churner = Churner});
churn(_, #s{churner = undefined} = S) ->
    S;
churn(Rate, #s{churner = Churner} = S) ->
    Churner ! {rate, Rate},
    S.

churner(Binaries, C) ->
    receive {rate, Rate} -> churner(Binaries, Binaries, Rate, C) end.

churner(All, Left, 0, C) ->
    receive {rate, Rate} -> churner(All, Left, Rate, C) end;
churner(All, [], Rate, C) ->
    churner(All, All, Rate, C);
churner(All, [Binary | Left], Rate, C) ->
    receive
        {rate, NewRate} -> churner(All, [Binary | Left], NewRate, C)
    after 1000 div Rate ->
        %% The spinner leaves a version within a call of run/1.
        vmctl:await(purged, fun() -> code:soft_purge(codeload_churn) end),
        load_churn(Binary),
        counters:add(C, 1, 1),
        churner(All, Left, Rate, C)
    end.

load_churn(Binary) ->
    {module, _} = code:load_binary(codeload_churn, "zoo_gen", Binary).

spinner(C) ->
    _ = codeload_churn:run(2000),
    counters:add(C, 2, 1),
    spinner(C).

%% run(N): outer(N), N levels of work in inner/1; version V has V fillers in
%% front of each of them.
churn_version(V) ->
    Source = [[[fillers(V, Part), Text] || {Part, Text} <-
        [{1, "run(N) -> [outer(N)].\n"},
         {2, "outer(N) -> {middle(N), N}.\n"},
         {3, "middle(N) -> [inner(N)], ok.\n"},
         {4, "inner(0) -> 0;\ninner(N) -> (N * 7919 + inner(N - 1)) band 65535.\n"}]],
        fillers(17 - V, 5)],
    zoo_gen:compile(codeload_churn, forms(lists:flatten(Source)), []).

fillers(V, Part) ->
    [io_lib:format("filler_~w_~w(X) -> {X, ~w, [X | ~w]}.~n", [Part, I, V, I])
     || I <- lists:seq(1, V)].

forms(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    forms(Tokens, [], []).

forms([], [], Done) -> lists:reverse(Done);
forms([{dot, _} = Dot | Rest], Form, Done) ->
    {ok, Parsed} = erl_parse:parse_form(lists:reverse([Dot | Form])),
    forms(Rest, [], [Parsed | Done]);
forms([Token | Rest], Form, Done) ->
    forms(Rest, [Token | Form], Done).
