%% Pids of a process table that was used up many times.
%%
%% pids KEEP
%%     KEEP processes parked in park/1, so that with `+P 1024' few slots are left
%%     for those that come and go.
%%
%% Commands:
%%     churn N     N processes come and go, a few at a time; of every thousand
%%                 one stays and another of those parked leaves
%%     jump DATA   the next pid has these data (erts_debug), and seven more stay
%%     pids        all there are, one on a line
%%     suspend N   N more are suspended in the middle of their work: about half of
%%                 them were about to return, of which the VM notes no function
%%     current     pid and current function of each parked one, asked for now
-module(pids).
-export([main/1, handle/2, park/1, deep/1]).

main([Keep]) ->
    erts_debug:set_internal_state(available_internal_state, true),
    [parked(I) || I <- lists:seq(1, list_to_integer(Keep))].

handle(["churn", N], Parked) ->
    {ok, churn(list_to_integer(N), Parked)};
handle(["jump", Data], Parked) ->
    _ = erts_debug:set_internal_state(next_pid, list_to_integer(Data)),
    {ok, Parked ++ [parked(I) || I <- lists:seq(1, 7)]};
handle(["pids"], Parked) ->
    {ok, [[pid_to_list(P), $\n] || P <- processes()], Parked};
handle(["suspend", N], Parked) ->
    Pids = [spawn(fun work/0) || _ <- lists:seq(1, list_to_integer(N))],
    timer:sleep(200),
    [true = erlang:suspend_process(P) || P <- Pids],
    {ok, Parked ++ Pids};
handle(["current"], Parked) ->
    {ok, [begin
              {current_function, {M, F, A}} = process_info(P, current_function),
              io_lib:format("~w ~w:~w/~w~n", [P, M, F, A])
          end || P <- Parked], Parked};
handle(_, _) ->
    unknown.

parked(I) ->
    Self = self(),
    Pid = spawn(fun() -> Self ! {ready, self()}, park(I) end),
    receive {ready, Pid} -> Pid end.

park(I) ->
    receive stop -> I end.

work() ->
    _ = deep(10000),
    work().

deep(0) -> 0;
deep(N) -> 1 + deep(N - 1).

churn(N, Parked) when N =< 0 ->
    Parked;
churn(N, Parked) ->
    %% In tens, so that slots are given back in another order than they are taken.
    Batch = [spawn_monitor(fun() -> ok end) || _ <- lists:seq(1, 10)],
    [receive {'DOWN', Ref, _, _, _} -> ok end || {_, Ref} <- Batch],
    case N rem 1000 of
        0 -> churn(N - 10, turn(Parked));
        _ -> churn(N - 10, Parked)
    end.

turn([Oldest | Rest]) ->
    Ref = monitor(process, Oldest),
    Oldest ! stop,
    receive {'DOWN', Ref, _, _, _} -> ok end,
    Rest ++ [parked(0)].
