%% Zoo: waiting, queues, timeouts, flags.
-module(zoo_mailbox).
-export([shapes/0, woken/1, selective/2, wait_for_reply/1, timed/1, exported/0]).

shapes() ->
    [{plain_receive, many, fun() -> spawn(?MODULE, exported, []) end},
     {after_infinity, many, fun() -> spawn(?MODULE, timed, [infinity]) end},
     {after_a_day, many, fun() -> spawn(?MODULE, timed, [86400000]) end},
     {after_max, many, fun() -> spawn(?MODULE, timed, [16#ffffffff]) end},
     {sleep_infinity, many, fun() -> spawn(timer, sleep, [infinity]) end},
     {sleep_a_day, many, fun() -> spawn(fun() -> timer:sleep(86400000), ok end) end},
     {only_after, many, fun() -> spawn(fun() -> receive after infinity -> ok end end) end},
     {own_timer, many, fun() ->
         spawn(fun() ->
                   Ref = erlang:start_timer(80000000, self(), x),
                   receive {timeout, Ref, x} -> ok end
               end)
      end},
     {monitor_reply, many, fun() -> spawn(?MODULE, wait_for_reply, [whereis(init)]) end},
     {queue_0, many, fun() -> queued(0, []) end},
     {queue_1, many, fun() -> queued(1, []) end},
     {queue_10, many, fun() -> queued(10, []) end},
     {queue_10_off_heap, many, fun() -> queued(10, [{message_queue_data, off_heap}]) end},
     {queue_1000, once, fun() -> [queued(1000, []), queued(1000, [])] end},
     {queue_1000_off_heap, once, fun() -> queued(1000, [{message_queue_data, off_heap}]) end},
     {queue_100000, once, fun() -> queued(100000, [{message_queue_data, off_heap}]) end},
     {queue_unseen, once, fun() -> [queued_unseen(N) || N <- [0, 1, 10, 1000]] end},
     {hibernating, many,
      fun() -> spawn(fun() -> erlang:hibernate(?MODULE, woken, [{state, 1}]) end) end},
     {hibernating_large, many,
      fun() ->
          spawn(fun() ->
                    Kept = lists:seq(1, 300),
                    erlang:hibernate(?MODULE, woken, [Kept])
                end)
      end},
     {proc_lib_hibernating, many,
      fun() -> proc_lib:spawn(proc_lib, hibernate, [?MODULE, woken, [x]]) end},
     {suspended, once, fun() -> [suspended() || _ <- lists:seq(1, 5)] end},
     {suspended_queue, once, fun suspended_queue/0},
     {suspended_running, once, fun suspended_running/0},
     {trap_exit, many, option(fun() -> process_flag(trap_exit, true) end)},
     {sensitive, once, fun sensitive/0},
     {dictionary, many, option(fun() -> [put({k, I}, [I]) || I <- lists:seq(1, 20)] end)},
     {priority_low, many, fun() -> spawn_opt(?MODULE, exported, [], [{priority, low}]) end},
     {priority_high, many, fun() -> spawn_opt(?MODULE, exported, [], [{priority, high}]) end},
     {priority_max, once, fun() -> spawn_opt(?MODULE, exported, [], [{priority, max}]) end},
     {big_heap, many, fun() -> spawn_opt(?MODULE, exported, [], [{min_heap_size, 5000}]) end},
     {after_gc, many, option(fun() -> lists:seq(1, 5000), erlang:garbage_collect() end)},
     {old_heap, many, option(fun() -> put(kept, lists:seq(1, 500)), churn(20) end)},
     {virtual_heap, many, option(fun() -> put(kept, [binary:copy(<<I>>, 1000) || I <- lists:seq(1, 9)]) end)},
     {many_names, once, fun() -> [named(I) || I <- lists:seq(1, 20)] end},
     {many_links, once, fun many_links/0}].

exported() ->
    receive zoo_go -> ok end.

timed(Ms) ->
    receive zoo_go -> ok after Ms -> late end,
    done.

%% What gen:call does, without the call.
wait_for_reply(Server) ->
    Ref = erlang:monitor(process, Server),
    receive
        {Ref, Reply} -> erlang:demonitor(Ref, [flush]), {ok, Reply};
        {'DOWN', Ref, _, _, Reason} -> exit(Reason)
    end.

%% All messages were looked at and left in the queue.
queued(N, Options) ->
    Pid = spawn_opt(?MODULE, selective, [make_ref(), self()], Options),
    send(N, Pid),
    Pid ! {looked, self()},
    receive {Pid, looked} -> ok end,
    vmctl:await(queued, fun() -> process_info(Pid, [status, message_queue_len])
                                     =:= [{status, waiting}, {message_queue_len, N}] end),
    Pid.

selective(Ref, Parent) ->
    receive {looked, Parent} -> Parent ! {self(), looked} end,
    receive {Ref, Value} -> Value end.

%% Messages nobody has looked at: their receiver is suspended.
queued_unseen(N) ->
    Pid = suspended(),
    send(N, Pid),
    Pid.

send(0, _) -> ok;
send(N, Pid) ->
    Pid ! case N rem 4 of
        0 -> N;
        1 -> {message, N, "text"};
        2 -> [binary:copy(<<"payload">>, 30), N];
        3 -> #{n => N}
    end,
    send(N - 1, Pid).

%% Suspended by the controller, which lives as long as the VM.
suspended() ->
    Pid = spawn(?MODULE, exported, []),
    vmctl:await(parked, fun() -> process_info(Pid, status) =:= {status, waiting} end),
    true = erlang:suspend_process(Pid),
    Pid.

suspended_queue() ->
    Pid = queued(10, []),
    true = erlang:suspend_process(Pid),
    Pid.

%% Suspended between two instructions of a loop rather than in a receive.
suspended_running() ->
    Pid = spawn(fun() -> spin(0) end),
    vmctl:await(spinning, fun() ->
        {_, R} = process_info(Pid, reductions), R > 100000 end),
    true = erlang:suspend_process(Pid),
    Pid.

spin(N) -> 1 + spin(N, 50).

spin(N, 0) -> spin_forever(N);
spin(N, M) -> [spin(N + 1, M - 1)].

%% Returns as far as the compiler can tell, or there would be no frames.
spin_forever(N) ->
    case get(zoo_stop) of
        undefined -> spin_forever((N + 1) band 16#ffff);
        Value -> Value
    end.

option(Fun) ->
    fun() -> spawn(fun() -> Fun(), exported(), ok end) end.

churn(0) -> ok;
churn(N) -> _ = lists:seq(1, 2000), churn(N - 1).

%% The VM prints no backtrace, messages or dictionary of these.
sensitive() ->
    spawn(fun() -> process_flag(sensitive, true), exported(), ok end).

named(I) ->
    Pid = spawn(?MODULE, exported, []),
    register(list_to_atom("zoo_named_" ++ integer_to_list(I)), Pid),
    Pid.

many_links() ->
    Pids = [spawn(?MODULE, exported, []) || _ <- lists:seq(1, 10)],
    Hub = spawn(fun() ->
                    [begin link(P), erlang:monitor(process, P) end || P <- Pids],
                    exported(), ok
                end),
    [Hub | Pids].

woken(State) ->
    {zoo:park(), State}.
