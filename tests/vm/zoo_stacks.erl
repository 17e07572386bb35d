%% Zoo: call stacks of every shape, each ending in zoo:park/0 or in a receive
%% of its own.
%%
%% Notes for whoever compares: current_stacktrace leaves out immediate
%% repetitions of a return address, so body/1 at any depth shows one frame of
%% itself, while even/1 and odd/1, and the three sites of three/1, show all.
-module(zoo_stacks).
-compile(nowarn_deprecated_catch).
-export([shapes/0]).
-export([body/1, even/1, odd/1, three/1, tail/1, thrice/2, apply_chain/2, start_args/3,
         nested_try/1, nested_catch/1, in_after/0, in_catch_clause/0, local_tail/1]).

shapes() ->
    [{deep_5000_mutual, once, start(fun() -> even(5000) end)},
     {deep_5000_body, once, start(fun() -> body(5000) end)},
     {deep_5000_three, once, start(fun() -> three(5000) end)},
     {deep_1000_mutual, once, start(fun() -> odd(1000) end)},
     {deep_1000_body, once, start(fun() -> body(1000) end)},
     {deep_1000_three, once, start(fun() -> three(1000) end)},
     {at_frame_limit, once,
      fun() -> [(start(fun() -> even(N) end))() || N <- lists:seq(58, 68)] end},
     {shallow, many, fun() -> spawn(zoo, park, []) end},
     {shallow_fun, many, start(fun() -> zoo:park() end)},
     {deep_10_body, many, start(fun() -> body(10) end)},
     {deep_10_mutual, many, start(fun() -> even(10) end)},
     {deep_100_mutual, many, start(fun() -> odd(100) end)},
     {deep_100_body, many, start(fun() -> body(100) end)},
     {deep_100_three, many, start(fun() -> three(100) end)},
     {tail_calls, many, start(fun() -> tail(7), ok end)},
     {tail_only, many, start(fun() -> tail(3) end)},
     {tail_local, many, start(fun() -> {local_tail(1)} end)},
     {twice_the_same, many, start(fun() -> thrice(3, 3) end)},
     {apply_3, many, start(fun() -> [apply_chain(apply, 5)] end)},
     {apply_fun, many, start(fun() -> [apply_chain(function, 5)] end)},
     {apply_external, many, start(fun() -> [apply_chain(external, 5)] end)},
     {spawn_args, many, fun() -> spawn(?MODULE, start_args, [a, [b, 1.5], #{c => <<"d">>}]) end},
     {proc_lib, many, fun() -> proc_lib:spawn(?MODULE, start_args, [1, 2, 3]) end},
     {nested_try, many, start(fun() -> nested_try(6) end)},
     {nested_catch, many, start(fun() -> nested_catch(6) end)},
     {try_of_after, many, start(fun in_after/0)},
     {catch_clause, many, start(fun in_catch_clause/0)},
     {erl_eval_fun, many, fun() -> spawn(erl_eval_fun("fun() -> {zoo:park()} end")) end},
     {erl_eval_receive, many,
      fun() -> spawn(erl_eval_fun("fun() -> F = fun(X) -> [receive X -> X end] end, "
                                  "F(zoo_go), ok end")) end},
     {named_fun, many, start(fun() ->
         (fun Down(0) -> zoo:park(); Down(N) -> [Down(N - 1)] end)(8)
      end)},
     {closures, many, start(fun() -> closures(5, []) end)}
     | [{Name, many, start(Fun)} || {Name, Fun} <- callbacks()]].

%% Library functions that call back, so that their frames are in between.
callbacks() ->
    W = fun(X) -> {zoo:park(), X} end,
    L = [1, 2, 3],
    M = #{a => 1, b => 2},
    [{lists_map, fun() -> [lists:map(W, L)] end},
     {lists_foreach, fun() -> lists:foreach(W, L), done end},
     {lists_foldl, fun() -> {lists:foldl(fun(X, A) -> [W(X) | A] end, [], L)} end},
     {lists_foldr, fun() -> {lists:foldr(fun(X, A) -> [W(X) | A] end, [], L)} end},
     {lists_filter, fun() -> [lists:filter(fun(X) -> W(X) =:= X end, L)] end},
     {lists_sort, fun() -> [lists:sort(fun(A, B) -> W(A) =< B end, [3, 1, 2, 5, 4])] end},
     {lists_keymap, fun() -> [lists:keymap(W, 1, [{1, a}, {2, b}])] end},
     {maps_map, fun() -> {maps:map(fun(_, V) -> W(V) end, M)} end},
     {maps_fold, fun() -> {maps:fold(fun(_, V, A) -> [W(V) | A] end, [], M)} end},
     {comprehension, fun() -> [X || X <- [W(Y) || Y <- L], X =/= no] end},
     {binary_comprehension, fun() -> << <<(element(2, W(X)))>> || <<X>> <= <<1, 2, 3>> >> end},
     {receive_in_comprehension, fun() -> [receive {go, X} -> X end || X <- L] end},
     {receive_in_fun, fun() -> {(fun(T) -> receive T -> T end end)(zoo_go)} end},
     {ets_foldl, fun() ->
         T = ets:new(zoo, []),
         ets:insert(T, [{1}, {2}]),
         {ets:foldl(fun(X, A) -> [W(X) | A] end, [], T)}
      end},
     {dict_update, fun() -> {dict:update(k, W, dict:from_list([{k, 1}]))} end},
     {gb_trees_map, fun() ->
         {gb_trees:map(fun(_, V) -> W(V) end, gb_trees:from_orddict([{1, 2}]))}
      end},
     {array_foldl, fun() -> {array:foldl(fun(_, V, _) -> W(V) end, 0, array:from_list(L))} end},
     {timer_tc, fun() -> {timer:tc(fun() -> W(0) end)} end},
     {re_run_done, fun() -> {re:run("abc", "b"), W(1)} end}].

start(Fun) ->
    fun() -> spawn(Fun) end.

%% One call site: one return address, repeated.
body(0) -> zoo:park();
body(N) -> [N | body(N - 1)].

%% Two call sites in two functions.
even(0) -> zoo:park();
even(N) -> {even, odd(N - 1)}.

odd(0) -> zoo:park();
odd(N) -> {odd, even(N - 1), N}.

%% Three call sites in one function, with frames of different size.
three(0) -> zoo:park();
three(N) when N rem 3 =:= 0 -> [three(N - 1)];
three(N) when N rem 3 =:= 1 ->
    A = make_ref(),
    B = three(N - 1),
    {A, B};
three(N) ->
    A = {N, a},
    B = [N | <<"b">>],
    C = three(N - 1),
    {C, A, B, N}.

%% Leaves nothing behind.
tail(0) -> zoo:park();
tail(N) -> tail(N - 1).

local_tail(X) -> local_tail(X, 3).

local_tail(X, 0) -> {X, zoo:park()};
local_tail(X, N) -> local_tail([X], N - 1).

thrice(0, X) -> {zoo:park(), X};
thrice(N, X) ->
    A = thrice_1(N, X),
    {A, N}.

thrice_1(N, X) -> [thrice(N - 1, X), X].

apply_chain(_, 0) -> zoo:park();
apply_chain(apply, N) -> [apply(?MODULE, apply_chain, [apply, N - 1])];
apply_chain(function, N) -> [apply(fun(A, B) -> [apply_chain(A, B)] end, [function, N - 1])];
apply_chain(external, N) ->
    F = fun ?MODULE:apply_chain/2,
    [F(external, N - 1)].

start_args(A, B, C) ->
    _ = zoo:park(),
    {A, B, C}.

nested_try(0) -> zoo:park();
nested_try(N) ->
    try nested_try(N - 1) of
        ok -> N;
        Other -> {Other, N}
    catch
        throw:T -> {T, N};
        error:{badmatch, V}:Stack -> {V, Stack}
    after
        put(level, N)
    end.

nested_catch(0) -> zoo:park();
nested_catch(N) ->
    A = (catch nested_catch(N - 1)),
    B = (catch list_to_integer("17")),
    {A, B, N}.

in_after() ->
    try list_to_integer(atom_to_list(node()))
    catch error:badarg -> caught
    after
        {zoo:park(), self()}
    end.

in_catch_clause() ->
    try error(wanted)
    catch error:wanted:Stack -> {zoo:park(), Stack}
    end.

closures(0, Env) -> {zoo:park(), Env};
closures(N, Env) ->
    F = fun(Tag) -> {Tag, closures(N - 1, [{N, Tag} | Env]), Env} end,
    [F(make_ref()), N].

%% As typed in a shell.
erl_eval_fun(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    {value, Fun, _} = erl_eval:exprs(Exprs, []),
    Fun.
