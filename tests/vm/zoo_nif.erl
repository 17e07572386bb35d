%% Zoo: native code; also the native helpers of the workloads.
%%
%% block_io/1, block_cpu/1  dirty NIFs that wait on a condition for ever; the
%%                          number of dirty CPU schedulers is small, so one of
%%                          them is taken only where another one remains
%% block_later/1            a normal NIF that reschedules itself as a dirty one
%%                          under another name
%% burn/1                   keeps a normal scheduler busy for some microseconds
%% burn_yielding/1          the same in slices of about 1 ms, yielding between
%% cpu_ns/0                 CPU time of the calling thread, in nanoseconds
%% append/2                 append a binary to a file; unlike all of file and io
%%                          this involves no process and no dirty scheduler
-module(zoo_nif).
-export([shapes/0, load/0]).
-export([block_io/1, block_cpu/1, block_later/1, burn/1, burn_yielding/1, cpu_ns/0,
         append/2]).
-on_load(load/0).

load() ->
    erlang:load_nif(filename:join(vmctl:ebin(), "zoo_nif"), 0).

shapes() ->
    [{nif_dirty_io, once, fun() -> [blocked(fun(X) -> {block_io(X), X} end) || _ <- [1, 2]] end},
     {nif_dirty_cpu, once, fun() ->
         case erlang:system_info(dirty_cpu_schedulers_online) of
             N when N > 1 -> blocked(fun(X) -> {block_cpu(X), X} end);
             N -> {skipped, {dirty_cpu_schedulers, N}}
         end
      end},
     {nif_rescheduled, once, fun() -> blocked(fun(X) -> [block_later(X)] end) end},
     {nif_dirty_mail, once, fun() ->
         Pid = blocked(fun(X) -> {block_io(X), X} end),
         [Pid ! {mail, I} || I <- lists:seq(1, 3)],
         Pid
      end}].

blocked(Fun) ->
    Pid = spawn(fun() -> lists:map(Fun, [#{for_ever => true}]) end),
    vmctl:await(blocked, fun() -> process_info(Pid, status) =:= {status, running} end),
    Pid.

block_io(_) -> erlang:nif_error(not_loaded).
block_cpu(_) -> erlang:nif_error(not_loaded).
block_later(_) -> erlang:nif_error(not_loaded).
burn(_) -> erlang:nif_error(not_loaded).
burn_yielding(_) -> erlang:nif_error(not_loaded).
cpu_ns() -> erlang:nif_error(not_loaded).
append(_, _) -> erlang:nif_error(not_loaded).
