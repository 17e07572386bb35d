%% A process whose stack changes as fast as possible, so that a stack read while
%% it changes is likely to be a mixture; and from which it can be told if it is.
%%
%% storm [jit|bif|mix [PROCESSES]]      (defaults jit 1)
%%
%% Processes storm_1, storm_2... call storm_a:a1/2, then storm_b:b1/2, for ever.
%%   jit   the leaf of the chains is arithmetic: millions of calls per second,
%%         all of it generated code
%%   bif   the leaf is one of a dozen calls into C: copying, hashing, matching,
%%         sorting, comparing, garbage collection, traps
%%   mix   by turns; and now and then the leaf sends a message to storm_echo and
%%         waits for the answer, so that the process moves about
%%
%% Legal stacks, innermost first; all others are mixtures:
%%
%%   stack  = top family root | root | "storm:counted/2" root
%%   family = "storm_a:aK/2" ... "storm_a:a1/2"  or the same of storm_b, for one
%%            K in 1..8, without gaps; with K = 8 it may be preceded by
%%            "storm_a:leaf/2" (or storm_b:leaf/2)
%%   root   = "storm:loop/3" and nothing below
%%   top    = only above a leaf, only for bif and mix: "storm:work/2" with the
%%            functions of storm it calls, and what they call in erlang, lists,
%%            maps, binary and ets; or nothing. Preempted in a send, the VM
%%            itself shows storm:work/2 twice.
%%
%% In particular never functions of storm_a and storm_b in one stack. A callee
%% is on top without a frame for a few instructions, in which the caller's
%% return address is already on the stack: that is as above.
%%
%% Commands:
%%   stats   "calls <n>": chains completed by all processes
-module(storm).
-export([main/1, handle/2, start/4, loop/3, work/2, echo/0]).

main([]) -> main(["jit"]);
main([How]) -> main([How, "1"]);
main([How, Count]) ->
    C = counters:new(1, [write_concurrency]),
    register(storm_echo, spawn_link(?MODULE, echo, [])),
    {module, _} = code:ensure_loaded(storm_a),
    {module, _} = code:ensure_loaded(storm_b),
    [begin
         Pid = spawn_link(?MODULE, start, [self(), list_to_atom("storm_" ++ integer_to_list(I)),
                                           list_to_atom(How), C]),
         receive {started, Pid} -> Pid end
     end || I <- lists:seq(1, list_to_integer(Count))],
    C.

handle(["stats"], C) ->
    {ok, io_lib:format("calls ~w~n", [counters:get(C, 1)]), C};
handle(_, _) ->
    unknown.

start(Parent, Name, How, C) ->
    register(Name, self()),
    put(storm_data, data()),
    Parent ! {started, self()},
    loop(How, 0, C).

loop(How, N, C) ->
    This = case How of
        mix when N rem 2 =:= 0 -> jit;
        mix when N rem 63 =:= 1 -> ping;
        mix -> bif;
        _ -> How
    end,
    _ = storm_a:a1(This, N),
    _ = storm_b:b1(This, N),
    counted(N, C),
    loop(How, (N + 1) band 16#ffffff, C).

counted(N, C) when N band 255 =:= 0 -> counters:add(C, 1, 512);
counted(_, _) -> ok.

data() ->
    List = lists:seq(1, 2000),
    #{list => List, text => binary:copy(<<"some words, and more ">>, 100),
      other => lists:seq(1, 2000), table => ets:new(storm_table, [public]),
      pairs => [{I rem 97, I} || I <- lists:seq(1, 300)],
      packed => term_to_binary(List)}.

%% Each in a clause of its own, with something left to do afterwards.
work(ping, X) ->
    storm_echo ! {self(), X},
    receive {echo, X} -> [X] end;
work(bif, X) ->
    D = get(storm_data),
    {bif(X rem 13, X, D)}.

bif(0, _, #{list := L}) -> byte_size(term_to_binary(L));
bif(1, _, #{text := T}) -> length(binary:split(T, <<",">>, [global]));
bif(2, _, #{pairs := P}) -> map_size(maps:from_list(P));
bif(3, _, #{list := L}) -> hd(lists:reverse(L));
bif(4, _, #{list := L}) -> [erlang:phash2(L)];
bif(5, X, #{table := T, pairs := P}) -> [ets:insert(T, {X band 31, P})];
bif(6, _, #{list := L, other := O}) -> [L =:= O];
bif(7, _, _) -> [erlang:garbage_collect()];
bif(8, _, #{packed := B}) -> length(binary_to_term(B));
bif(9, _, #{pairs := P}) -> [lists:keyfind(x, 1, P)];
bif(10, _, #{list := L}) -> length(L ++ [1]);
bif(11, X, #{table := T}) -> [ets:lookup(T, X band 31)];
bif(12, _, #{text := T}) -> length(binary_to_list(T)).

echo() ->
    receive {From, X} -> From ! {echo, X}, echo() end.
