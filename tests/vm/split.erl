%% A CPU workload whose split is known: 70 / 20 / 10 %.
%%
%% split functions [WORKERS [A,B,C]]
%%     WORKERS (default 1) processes split_1, split_2... each burn CPU time in
%%     hot_a/2, hot_b/2 and hot_c/2, in these shares.
%% split processes [A,B,C]
%%     Three processes split_a, split_b and split_c hand a token around, so that
%%     one of them works at a time; split_a works in hot_a/2, and so on.
%%
%% The three functions are the same code. A slice is 1 to 7 ms of CPU time of
%% the scheduler's thread (not wall time: being preempted by the kernel costs
%% nobody his share), in random order, and what one slice takes too much the
%% next one of that function gives back, so that the shares hold to within a
%% slice at any time. Each worker stays on one scheduler, for the clock's sake.
%%
%% Stacks, innermost first: hot_X/2, slice_X/2, and worker/1 or token/3. About
%% 0.2 % of the time goes to reading the clock, in slice_X/2.
%%
%% Commands:
%%   stats   one line "hot_a <ns> <share>" per function: CPU time really spent,
%%           and the share in percent with two decimals
%%   reset   start counting anew
-module(split).
-export([main/1, handle/2]).
-export([hot_a/2, hot_b/2, hot_c/2, worker_start/3, token_start/5]).

-record(w, {counters, shares, credit = {0, 0, 0}}).

main([]) -> main(["functions"]);
main(["functions"]) -> main(["functions", "1"]);
main(["functions", Workers]) -> main(["functions", Workers, "70,20,10"]);
main(["functions", Workers, Shares]) ->
    C = counters:new(3, [write_concurrency]),
    N = list_to_integer(Workers),
    [started(spawn_on(I, worker_start, [I, C, shares(Shares)])) || I <- lists:seq(1, N)],
    C;
main(["processes"]) -> main(["processes", "70,20,10"]);
main(["processes", Shares]) ->
    C = counters:new(3, [write_concurrency]),
    Names = [split_a, split_b, split_c],
    [started(spawn_on(1, token_start, [I, lists:nth(I, Names), list_to_tuple(Names), C,
                                       shares(Shares)])) || I <- [1, 2, 3]],
    split_a ! {token, {0, 0, 0}},
    C.

handle(["stats"], C) ->
    Ns = [counters:get(C, I) || I <- [1, 2, 3]],
    Sum = max(1, lists:sum(Ns)),
    {ok, [io_lib:format("~s ~w ~.2f~n", [Name, N, 100 * N / Sum])
          || {Name, N} <- lists:zip(["hot_a", "hot_b", "hot_c"], Ns)], C};
handle(["reset"], C) ->
    [counters:put(C, I, 0) || I <- [1, 2, 3]],
    {ok, C};
handle(_, _) ->
    unknown.

shares(Text) ->
    list_to_tuple([list_to_integer(S) || S <- string:lexemes(Text, ",")]).

%% To be bound to a scheduler is an undocumented option: do without if need be.
spawn_on(I, F, Args) ->
    Self = self(),
    Scheduler = (I - 1) rem erlang:system_info(schedulers_online) + 1,
    Args1 = [Self | Args],
    Fun = fun() -> apply(fun start/2, [F, Args1]) end,
    try spawn_opt(Fun, [link, {scheduler, Scheduler}])
    catch error:badarg -> spawn_opt(Fun, [link])
    end.

start(F, [Parent | Args]) ->
    ok = warm(),
    Parent ! {started, self()},
    apply(?MODULE, F, Args).

started(Pid) ->
    receive {started, Pid} -> Pid end.

%% Load everything before the first slice.
warm() ->
    _ = [zoo_nif:cpu_ns(), hot_a(1, 1), hot_b(1, 1), hot_c(1, 1), rand:uniform(3)],
    ok.

worker_start(I, Counters, Shares) ->
    register(list_to_atom("split_" ++ integer_to_list(I)), self()),
    worker(#w{counters = Counters, shares = Shares}).

worker(W) ->
    {Which, Us, W1} = next(W),
    Spent = case Which of
        1 -> slice_a(Us * 1000, 0);
        2 -> slice_b(Us * 1000, 0);
        3 -> slice_c(Us * 1000, 0)
    end,
    counters:add(W1#w.counters, Which, Spent),
    worker(charge(Which, Spent, W1)).

token_start(I, Name, Names, Counters, Shares) ->
    register(Name, self()),
    token(I, Names, #w{counters = Counters, shares = Shares}).

token(I, Names, W) ->
    receive
        {token, Credit} ->
            {Which, Us, W1} = next(W#w{credit = Credit}),
            case Which of
                I ->
                    Spent = case I of
                        1 -> slice_a(Us * 1000, 0);
                        2 -> slice_b(Us * 1000, 0);
                        3 -> slice_c(Us * 1000, 0)
                    end,
                    counters:add(W#w.counters, I, Spent),
                    W2 = charge(I, Spent, W1),
                    self() ! {token, W2#w.credit},
                    token(I, Names, W2);
                Other ->
                    element(Other, Names) ! {token, W1#w.credit},
                    token(I, Names, W1)
            end
    end.

%% Choose at random among those who have credit; when nobody has, everybody gets
%% some 30 ms worth according to their shares. Credit is in nanoseconds.
next(#w{credit = Credit, shares = Shares} = W) ->
    case [I || I <- [1, 2, 3], element(I, Credit) > 0] of
        [] ->
            Sum = lists:sum(tuple_to_list(Shares)),
            Refill = [element(I, Credit) + element(I, Shares) * 30000000 div Sum || I <- [1, 2, 3]],
            next(W#w{credit = list_to_tuple(Refill)});
        Ready ->
            Which = lists:nth(rand:uniform(length(Ready)), Ready),
            Us = 999 + rand:uniform(6001),
            {Which, min(Us, max(1, element(Which, Credit) div 1000)), W}
    end.

charge(I, Spent, #w{credit = Credit} = W) ->
    W#w{credit = setelement(I, Credit, element(I, Credit) - Spent)}.

-define(STEP(X), ((X * 1103515 + 12345) band 16#3fffffff)).
-define(STEPS(X), ?STEP(?STEP(?STEP(?STEP(?STEP(?STEP(?STEP(?STEP(X))))))))).

%% About a third of a millisecond between two looks at the clock.
-define(CHUNK, 10000).

slice_a(Ns, Spent) when Spent >= Ns -> Spent;
slice_a(Ns, Spent) ->
    T = zoo_nif:cpu_ns(),
    _ = hot_a(?CHUNK, T band 16#ffff),
    slice_a(Ns, Spent + zoo_nif:cpu_ns() - T).

slice_b(Ns, Spent) when Spent >= Ns -> Spent;
slice_b(Ns, Spent) ->
    T = zoo_nif:cpu_ns(),
    _ = hot_b(?CHUNK, T band 16#ffff),
    slice_b(Ns, Spent + zoo_nif:cpu_ns() - T).

slice_c(Ns, Spent) when Spent >= Ns -> Spent;
slice_c(Ns, Spent) ->
    T = zoo_nif:cpu_ns(),
    _ = hot_c(?CHUNK, T band 16#ffff),
    slice_c(Ns, Spent + zoo_nif:cpu_ns() - T).

hot_a(0, X) -> X;
hot_a(N, X) -> hot_a(N - 1, ?STEPS(X)).

hot_b(0, X) -> X;
hot_b(N, X) -> hot_b(N - 1, ?STEPS(X)).

hot_c(0, X) -> X;
hot_c(N, X) -> hot_c(N - 1, ?STEPS(X)).
