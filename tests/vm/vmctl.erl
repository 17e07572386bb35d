%% The controller every test program shares: start-up, commands, rest.
%%
%% `erl -noshell -run vmctl start MODULE ARG...' calls MODULE:main([ARG...]),
%% which builds its world and returns a state. "READY <os pid>" is then printed
%% and commands are read from standard input, one per line:
%%
%%     <number> <word>...
%%
%% Answers are appended to the file named by VMCTL_OUT (standard output when
%% that is not set), each in one write:
%%
%%     BEGIN <number>        followed by the lines of the answer, if any
%%     DONE <number>         or: FAIL <number> <reason>
%%
%% Nothing is ever printed through a group leader. The controller therefore
%% sits in io:get_line/2 whenever it is not executing a command, and so do the
%% processes behind `user'; see vmctl_truth.erl for why that matters.
%%
%% Commands every program understands:
%%     quit                  end the VM at once
%%     truth FILE [brief]    what the VM knows of each process (vmctl_truth)
%%     backtraces FILE       process_info(P, backtrace) of each process
%%     settle                wait until nothing moves any more
%%     eval EXPR             evaluate, print the result
%% and these, unless the program has its own:
%%     load FILE             load a beam file (absolute name, no suffix)
%%     count                 of processes
%%
%% Callbacks:
%%     main([string()]) -> State
%%     handle([string()], State) -> {ok, State} | {ok, Text, State}
%%                                | {error, Text} | unknown | stop
-module(vmctl).
-export([start/1, init/2, guard/1, background/2]).
-export([rest/2, look/1, ebin/0, append/2, await/2]).

start([Module | Args]) ->
    spawn(?MODULE, init, [list_to_atom(Module), Args]),
    ok.

init(Module, Args) ->
    register(vmctl, self()),
    spawn(?MODULE, guard, [env_int("VMCTL_LIFE", 1800)]),
    ok = io:setopts(user, [binary, {encoding, unicode}]),
    %% Clamped to what the release can do (64 in OTP 23..25).
    _ = erlang:system_flag(backtrace_depth, 1024),
    try Module:main(Args) of
        State ->
            out(["READY ", os:getpid(), $\n]),
            loop(Module, State)
    catch
        Class:Reason:Stack ->
            out(io_lib:format("CRASH ~0tp~n", [{Class, Reason, Stack}])),
            halt(1, [{flush, false}])
    end.

%% A VM whose test died must not stay for ever.
guard(Seconds) ->
    register(vmctl_guard, self()),
    receive after Seconds * 1000 -> halt(1, [{flush, false}]) end.

loop(Module, State) ->
    case io:get_line(user, "") of
        Line when is_binary(Line) ->
            case string:lexemes(unicode:characters_to_list(Line), " \t\r\n") of
                [] -> loop(Module, State);
                [N | Words] -> loop(Module, command(N, Words, Line, Module, State))
            end;
        _ ->
            halt(1, [{flush, false}])
    end.

command(N, Words, Line, Module, State) ->
    try run(Words, Line, Module, State) of
        stop -> halt(0, [{flush, false}]);
        {ok, NewState} -> done(N, []), NewState;
        {ok, Text, NewState} -> done(N, Text), NewState;
        {background, Fun} -> spawn(?MODULE, background, [N, Fun]), State;
        {error, Text} -> fail(N, Text), State
    catch
        Class:Reason:Stack ->
            fail(N, io_lib:format("~0tp", [{Class, Reason, Stack}])),
            State
    end.

%% A command that has to look at the controller at rest runs in a process of
%% its own, which ends right after its answer.
background(N, Fun) ->
    try Fun() of
        Text -> done(N, Text)
    catch
        Class:Reason:Stack ->
            fail(N, io_lib:format("~0tp", [{Class, Reason, Stack}]))
    end.

run(["quit" | _], _, _, _) ->
    stop;
run(["truth", File | Options], _, _, _) ->
    {background, fun() -> vmctl_truth:write(File, Options) end};
run(["backtraces", File], _, _, _) ->
    {background, fun() -> vmctl_truth:backtraces(File) end};
run(["settle"], _, _, _) ->
    {background, fun() ->
        {Ms, Moving} = rest([self()], 10000),
        io_lib:format("~w ms ~w moving~n", [Ms, length(Moving)])
    end};
run(["eval" | _], Line, _, State) ->
    [_, Expr] = re:split(Line, "\\seval\\s", [{return, binary}, {parts, 2}, unicode]),
    {ok, Tokens, _} = erl_scan:string(dot(unicode:characters_to_list(Expr))),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Exprs, []),
    {ok, io_lib:format("~0tp~n", [Value]), State};
run(Words, _, Module, State) ->
    case Module:handle(Words, State) of
        unknown -> common(Words, State);
        Answer -> Answer
    end.

%% Those a program may have its own idea of.
common(["load", File], State) ->
    {module, Name} = code:load_abs(File),
    {ok, io_lib:format("~tw~n", [Name]), State};
common(["count"], State) ->
    {ok, io_lib:format("~w~n", [erlang:system_info(process_count)]), State};
common(_, _) ->
    {error, "unknown command"}.

dot(Expr) ->
    Trimmed = string:trim(Expr),
    case lists:suffix(".", Trimmed) of
        true -> Trimmed;
        false -> Trimmed ++ "."
    end.

done(N, Text) ->
    out([begin_line(N), Text, "DONE ", N, $\n]).

fail(N, Text) ->
    Flat = [case C of $\n -> $\s; _ -> C end || C <- lists:flatten([Text])],
    out([begin_line(N), "FAIL ", N, $\s, Flat, $\n]).

begin_line(N) ->
    ["BEGIN ", N, $\n].

out(Text) ->
    append(case os:getenv("VMCTL_OUT") of
               false -> "/dev/stdout";
               Name -> Name
           end, Text).

%% One write to the end of a file, in which no other process takes part: opening
%% a raw file does involve some.
append(File, Text) ->
    Name = binary_to_list(unicode:characters_to_binary(File)),
    ok = zoo_nif:append(Name, unicode:characters_to_binary(Text)).

%% Where the compiled programs are.
ebin() ->
    case os:getenv("VMCTL_EBIN") of
        false -> filename:dirname(code:which(?MODULE));
        Dir -> Dir
    end.

env_int(Name, Default) ->
    case os:getenv(Name) of
        false -> Default;
        Value -> list_to_integer(Value)
    end.

%% Wait until Fun() is true; for setting up, never for measuring.
await(What, Fun) ->
    await(What, Fun, erlang:monotonic_time(millisecond) + 50000).

await(What, Fun, End) ->
    case Fun() of
        true ->
            ok;
        false ->
            erlang:monotonic_time(millisecond) < End orelse error({not_reached, What}),
            timer:sleep(10),
            await(What, Fun, End)
    end.

%% Wait until two looks 50 ms apart see every process but Except in the same
%% state with the same number of reductions, for at most Max ms. Returns the
%% time that took and the processes that would not stop.
rest(Except, Max) ->
    Start = erlang:monotonic_time(millisecond),
    rest(Except, Start, Start + Max, look(Except)).

rest(Except, Start, End, Before) ->
    timer:sleep(50),
    After = look(Except),
    Now = erlang:monotonic_time(millisecond),
    if
        After =:= Before -> {Now - Start, []};
        Now >= End -> {Now - Start, [P || {P, _} <- After -- Before]};
        true -> rest(Except, Start, End, After)
    end.

%% These items are read without the process taking part; current_function, for
%% example, wakes it up and costs it a reduction. A process executing a dirty
%% NIF has to be asked in any case, which makes the VM's own dirty signal
%% handlers work: these are no subject of the question.
look(Except) ->
    [{P, I} || P <- processes() -- Except,
               process_info(P, initial_call)
                   =/= {initial_call, {erts_dirty_process_signal_handler, start, 0}},
               I <- [process_info(P, [status, reductions, message_queue_len])],
               I =/= undefined].
