%% A NIF that keeps normal schedulers busy: MS milliseconds out of every PERIOD.
%%
%% burn [MS [PERIOD [PROCESSES [yielding]]]]     (defaults 20 100 1)
%%
%% Processes burn_1, burn_2... call zoo_nif:burn/1, which computes for MS ms of
%% CPU time without returning, then wait for the rest of the period. With
%% `yielding' they call zoo_nif:burn_yielding/1, which gives way every
%% millisecond. Stack: the NIF, burn:burn_once/2, burn:loop/4.
%%
%% Commands:
%%   stats   "burn <calls> <ns in the NIF, wall time> <ns since start>"
-module(burn).
-export([main/1, handle/2, start/6]).

main([]) -> main(["20"]);
main([Ms]) -> main([Ms, "100"]);
main([Ms, Period]) -> main([Ms, Period, "1"]);
main([Ms, Period, Count]) -> main([Ms, Period, Count, "burn"]);
main([Ms, Period, Count, How]) ->
    C = counters:new(2, []),
    [begin
         Pid = spawn_link(?MODULE, start, [self(), I, C, How, list_to_integer(Ms),
                                           list_to_integer(Period)]),
         receive {started, Pid} -> Pid end
     end || I <- lists:seq(1, list_to_integer(Count))],
    {C, now_ns()}.

handle(["stats"], {C, Start} = State) ->
    {ok, io_lib:format("burn ~w ~w ~w~n",
                       [counters:get(C, 1), counters:get(C, 2), now_ns() - Start]), State};
handle(_, _) ->
    unknown.

start(Parent, I, C, How, Ms, Period) ->
    register(list_to_atom("burn_" ++ integer_to_list(I)), self()),
    ok = zoo_nif:burn(1),
    Parent ! {started, self()},
    loop(C, How, Ms, Period).

loop(C, How, Ms, Period) ->
    T = now_ns(),
    ok = burn_once(How, Ms * 1000),
    Spent = now_ns() - T,
    counters:add(C, 1, 1),
    counters:add(C, 2, Spent),
    receive after max(0, Period - Spent div 1000000) -> ok end,
    loop(C, How, Ms, Period).

burn_once("yielding", Us) ->
    Result = zoo_nif:burn_yielding(Us),
    counted(Result);
burn_once(_, Us) ->
    Result = zoo_nif:burn(Us),
    counted(Result).

counted(ok) -> ok.

now_ns() -> erlang:monotonic_time(nanosecond).
