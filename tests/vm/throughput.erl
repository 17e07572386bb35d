%% How much work a VM gets done: run it with and without one of our tools and
%% compare.
%%
%% throughput [WORKERS_PER_SCHEDULER]       (default 2)
%%
%% Each worker repeats one unit of mixed work, about 100 us: arithmetic, list
%% and map building, binaries, ETS, sorting, and a message to its partner and
%% back. Units are counted where they are done.
%%
%% Commands:
%%   count          "count <units> <monotonic ns> <CPU time of the VM in ms>"
%%   rate SECONDS   "rate <units per second>" measured over so many seconds
-module(throughput).
-export([main/1, handle/2, worker/3, partner/0]).

main([]) -> main(["2"]);
main([PerScheduler]) ->
    N = list_to_integer(PerScheduler) * erlang:system_info(schedulers_online),
    C = counters:new(1, [write_concurrency]),
    Table = ets:new(throughput, [public, {write_concurrency, true}, {read_concurrency, true}]),
    [spawn_link(?MODULE, worker, [I, C, Table]) || I <- lists:seq(1, N)],
    vmctl:await(working, fun() -> counters:get(C, 1) > N * 10 end),
    C.

handle(["count"], C) ->
    {Cpu, _} = erlang:statistics(runtime),
    {ok, io_lib:format("count ~w ~w ~w~n", [counters:get(C, 1), now_ns(), Cpu]), C};
handle(["rate", Seconds], C) ->
    {A, T} = {counters:get(C, 1), now_ns()},
    timer:sleep(round(number(Seconds) * 1000)),
    {B, U} = {counters:get(C, 1), now_ns()},
    {ok, io_lib:format("rate ~.1f~n", [(B - A) * 1.0e9 / (U - T)]), C};
handle(_, _) ->
    unknown.

number(Text) ->
    case string:to_float(Text) of
        {error, _} -> list_to_integer(Text);
        {F, _} -> F
    end.

worker(I, C, Table) ->
    Partner = spawn_link(?MODULE, partner, []),
    loop(I, 1, C, Table, Partner).

loop(I, N, C, Table, Partner) ->
    _ = unit(I, N, Table, Partner),
    counters:add(C, 1, 1),
    loop(I, (N * 1103 + 12345) band 16#ffffff, C, Table, Partner).

unit(I, N, Table, Partner) ->
    A = arithmetic(500, N),
    L = [(X * A) band 1023 || X <- lists:seq(1, 200)],
    S = lists:sort(L),
    M = lists:foldl(fun(X, Acc) -> Acc#{X band 63 => X} end, #{}, S),
    B = << <<X:16>> || X <- S >>,
    P = parse(B, 0),
    true = ets:insert(Table, {{I, N band 127}, M}),
    [_ | _] = ets:lookup(Table, {I, N band 127}),
    Partner ! {self(), [A, P | S]},
    receive {Partner, Sum} -> Sum + maps:size(M) end.

arithmetic(0, X) -> X;
arithmetic(N, X) -> arithmetic(N - 1, (X * 1103515 + 12345) band 16#3fffffff).

parse(<<X:16, Rest/binary>>, Sum) -> parse(Rest, Sum + X);
parse(<<>>, Sum) -> Sum.

partner() ->
    receive {From, List} -> From ! {self(), lists:sum(List)}, partner() end.

now_ns() -> erlang:monotonic_time(nanosecond).
