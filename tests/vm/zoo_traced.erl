%% Zoo: what tracing leaves on the stack and in the code.
%%
%% returns      local call trace with return_trace on each function of a chain
%% return_to    local call trace with the return_to flag
%% both         the two together, plus call_time and call_count on a function
%% exceptions   exception_trace, with a catch below it
%% breakpoints  functions that carry a breakpoint and are merely parked in
%%
%% return_trace leaves a frame of its own (with the function's MFA and the
%% tracer) between caller and callee, return_to another; neither is a call and
%% current_stacktrace shows neither. The tracer is one process that throws all
%% messages away; it is at rest once the traced processes are parked.
-module(zoo_traced).
-compile(nowarn_deprecated_catch).
-export([shapes/0, tracer/0]).
-export([first/1, second/1, third/1, last/1, counted/1, risky/1, parked/1]).

shapes() ->
    [{traced, once, fun traced/0}].

traced() ->
    Tracer = spawn(?MODULE, tracer, []),
    Return = [{'_', [], [{return_trace}]}],
    Exception = [{'_', [], [{exception_trace}]}],
    [1 = erlang:trace_pattern({?MODULE, F, 1}, Return, [local]) || F <- [first, second, third, last]],
    1 = erlang:trace_pattern({?MODULE, risky, 1}, Exception, [local]),
    1 = erlang:trace_pattern({?MODULE, counted, 1}, true, [local, call_time, call_count]),
    1 = erlang:trace_pattern({?MODULE, parked, 1}, true, [local]),
    Pids = [go(Tracer, Flags, F) || {Flags, F} <- [{[call], first},
                                                   {[call, return_to], first},
                                                   {[call, return_to, arity, timestamp], first},
                                                   {[call, return_to], counted},
                                                   {[call], risky},
                                                   {[call, return_to], risky},
                                                   {[call, procs, 'receive'], parked},
                                                   {[call, silent], first}]],
    [Tracer | Pids] ++ [spawn(?MODULE, parked, [untraced]), spawn(?MODULE, counted, [untraced])].

go(Tracer, Flags, F) ->
    Pid = spawn(fun() -> receive {start, X} -> [?MODULE:F(X)] end end),
    1 = erlang:trace(Pid, true, [{tracer, Tracer} | Flags]),
    Pid ! {start, go},
    Pid.

tracer() ->
    receive _ -> tracer() end.

first(X) -> {second(X), X}.

second(X) -> [third(X)].

third(X) ->
    try counted(X) of
        Y -> [Y]
    catch
        error:_ -> X
    end.

counted(X) -> {last(X)}.

last(X) -> {zoo:park(), X}.

risky(X) ->
    A = (catch [last(X)]),
    {A, X}.

parked(X) -> [zoo:park(), X].
