%% The truth: what the VM itself says of all its processes, written to a file
%% for comparison with what our tools see from outside.
%%
%% UTF-8 text, fields separated by tabs, atoms quoted as ~tw quotes them:
%%
%%  H <otp release> <erts version> <frame limit> <settle ms>
%%  P <pid> <name> <initial call> <current function> <status> <queue length>
%%    <heap size> <total heap size> <stack size> <reductions> <old heap size>
%%  F <pid> <index> <m:f/a> <file> <line>
%%  B <pid> <index> <m:f/a>
%%  D <pid> <depth>
%%  X <pid> <reason>
%%
%% P: one per process. The name is empty for a process without one ('' is
%%    printed as ''). Sizes are words. A call that is unknown is empty.
%% F: current_stacktrace, innermost first, index from 0. File is empty and line
%%    0 where the VM has no location. It ends after the frame limit, leaves out
%%    immediate repetitions of one return address, and begins with the current
%%    function. Line breaks, tabs and backslashes in file names: \n \r \t \\.
%% B: the return addresses on the stack, innermost first, as backtrace prints
%%    them: complete, with repetitions, without the current function and without
%%    the final "terminate process normally". Addresses the VM prints as unknown
%%    (saved frame pointers) are left out, and so are those at the very start of a
%%    function: no call returns there, it is what a tracing frame is about.
%% D: the number of B records of the process; present even if 0. A process with
%%    the flag `sensitive' has neither, the VM prints no backtrace of it.
%% X: this process is no subject of comparison. Reasons: `writer', the process
%%    that wrote the file, which ends right after and has no P; `moving', it
%%    would not come to rest while the truth was taken (workloads; never in the
%%    zoo).
%%
%% F and B agree but for this: a process executing a dirty NIF and a hibernating
%% one have no frame for their current function (the latter has none at all).
%%
%% Records come in no particular order: F, B and D of one process are together,
%% its P is elsewhere.
%%
%% The writer first waits for rest, so the controller is back in io:get_line/2
%% when looked at; and nothing but the writer acts until the next command.
%% Most of what process_info/2 tells is told by the process itself, which costs
%% it reductions; so these items are asked for first, then rest is waited for
%% again, and then come those the VM reads without the process: status, queue
%% length, heap and stack size, reductions. From then on nobody is asked.
-module(vmctl_truth).
-export([write/2, backtraces/1]).

%% Told by the process, and read from outside.
-define(TOLD, [initial_call, current_function, total_heap_size, current_stacktrace,
               garbage_collection_info]).
-define(READ, [registered_name, status, message_queue_len, heap_size, stack_size,
               reductions]).

%% write(File, ["brief"]) leaves out F, B and D records.
write(File, Options) ->
    Brief = lists:member("brief", Options),
    {Ms1, Moving1} = vmctl:rest([self()], 3000),
    ok = file:write_file(File, <<>>, [raw]),
    Told = told(order([P || P <- processes(), P =/= self()]), File, Brief, [], 0, []),
    %% What did not come to rest before will not now.
    {Ms2, Moving2} = case Moving1 of
        [] -> vmctl:rest([self()], 3000);
        _ -> {0, []}
    end,
    {Handlers, Others} = lists:partition(fun(T) -> dirty_handler(element(1, T)) end, Told),
    {Seen1, Records1} = read(Others, [], []),
    %% Reading just now made the handlers work.
    still([P || {P, _, _, _} <- Handlers], 100),
    {Seen, Records} = read(Handlers, Seen1, Records1),
    Late = [P || {P, Look} <- Seen, process_info(P, [status, reductions]) =/= Look],
    vmctl:append(File, Records),
    vmctl:append(File, [line(["H", erlang:system_info(otp_release), erlang:system_info(version),
                        integer_to_list(frame_limit()), integer_to_list(Ms1 + Ms2)]),
                  line(["X", pid_to_list(self()), "writer"]),
                  [line(["X", pid_to_list(P), "moving"])
                   || P <- lists:usort(Moving1 ++ Moving2 ++ Late)]]),
    [].

%% Processes executing dirty NIFs first; those answering for them last.
order(Pids) ->
    Handlers = [P || P <- Pids, dirty_handler(P)],
    Rest = Pids -- Handlers,
    Running = [P || P <- Rest, process_info(P, status) =:= {status, running}],
    Running ++ (Rest -- Running) ++ Handlers.

still(Pids, Tries) ->
    Before = [process_info(P, reductions) || P <- Pids],
    timer:sleep(20),
    case [process_info(P, reductions) || P <- Pids] of
        After when After =/= Before, Tries > 0 -> still(Pids, Tries - 1);
        _ -> ok
    end.

dirty_handler(Pid) ->
    process_info(Pid, initial_call)
        =:= {initial_call, {erts_dirty_process_signal_handler, start, 0}}.

frame_limit() ->
    Limit = erlang:system_flag(backtrace_depth, 8),
    _ = erlang:system_flag(backtrace_depth, Limit),
    Limit.

%% F, B and D records are written in pieces, so that those of 100,000 processes
%% do not become one term.
told([Pid | Pids], File, Brief, Done, N, Acc) when N < 200 ->
    case process_info(Pid, ?TOLD) of
        undefined ->
            told(Pids, File, Brief, Done, N, Acc);
        [{_, Initial}, {_, Current}, {_, Heap}, {_, Trace}, {_, Gc}] ->
            Id = pid_to_list(Pid),
            Frames = [[frames(Id, Trace), returns(Id, Pid)] || not Brief],
            told(Pids, File, Brief, [{Pid, Initial, Current, {Heap, old_heap(Gc)}} | Done], N + 1,
                 [Acc, Frames])
    end;
told(Pids, File, Brief, Done, _, Acc) ->
    vmctl:append(File, Acc),
    case Pids of
        [] -> lists:reverse(Done);
        _ -> told(Pids, File, Brief, Done, 0, [])
    end.

read([], Seen, Records) ->
    {Seen, Records};
read([{Pid, Initial, Current, {Heap, Old}} | Told], Seen, Records) ->
    case process_info(Pid, ?READ) of
        undefined ->
            read(Told, Seen, Records);
        [{_, Name}, {_, Status}, {_, Queue}, {_, Young}, {_, Stack}, {_, Reductions}] ->
            Record = line(["P", pid_to_list(Pid), name(Name), mfa(Initial), mfa(Current),
                           atom_to_list(Status) |
                           [integer_to_list(I) || I <- [Queue, Young, Heap, Stack,
                                                        Reductions, Old]]]),
            %% Asking the processes executing dirty NIFs once more would be
            %% work for others.
            Look = [{Pid, [{status, Status}, {reductions, Reductions}]} || Status =/= running],
            read(Told, Look ++ Seen, [Records, Record])
    end.

%% The block, not what of it is used.
old_heap(Gc) ->
    {_, Words} = lists:keyfind(old_heap_block_size, 1, Gc),
    Words.

name([]) -> "";
name(Name) -> atom(Name).

frames(Id, Trace) ->
    number(fun(Index, {M, F, A, Location}) ->
               line(["F", Id, integer_to_list(Index), mfa({M, F, A}) |
                     location(Location)])
           end, Trace).

location(Location) ->
    [case lists:keyfind(file, 1, Location) of
         {_, File} -> [escape(C) || C <- file_name(File)];
         false -> ""
     end,
     case lists:keyfind(line, 1, Location) of
         {_, Line} -> integer_to_list(Line);
         false -> "0"
     end].

escape($\\) -> "\\\\";
escape($\n) -> "\\n";
escape($\r) -> "\\r";
escape($\t) -> "\\t";
escape(C) -> C.

%% Of a module without file names of its own the VM makes up one, the module's
%% name with a suffix, and returns the bytes of its UTF-8 as characters.
file_name(File) ->
    try unicode:characters_to_list(list_to_binary(File)) of
        Name when is_list(Name) -> Name;
        _ -> File
    catch
        error:badarg -> File
    end.

returns(Id, Pid) ->
    case process_info(Pid, backtrace) of
        {_, Text} when Text =/= <<>> -> return_records(Id, return_names(Text));
        _ -> []
    end.

return_records(Id, Names) ->
    [number(fun(Index, Name) ->
                line(["B", Id, integer_to_list(Index), Name])
            end, Names),
     line(["D", Id, integer_to_list(length(Names))])].

%% "0x00007f... Return addr 0x00007f... (m:f/1 + 12)", printed in C: read the
%% name as Erlang and print it our way.
return_names(Text) ->
    case re:run(Text, "^0x[0-9a-f]+ Return addr 0x[0-9a-f]+ \\((.*/[0-9]+) \\+ [1-9][0-9]*\\)$",
                [global, multiline, {newline, lf}, {capture, all_but_first, binary}]) of
        {match, Found} -> [rewrite(Name) || [Name] <- Found];
        nomatch -> []
    end.

rewrite(Name) ->
    case get({name, Name}) of
        undefined ->
            New = case erl_scan:string(characters(Name)) of
                {ok, [{atom, _, M}, {':', _}, F, {'/', _}, {integer, _, A}], _} ->
                    mfa({M, function_name(F), A});
                _ ->
                    Name
            end,
            put({name, Name}, New),
            New;
        Known ->
            Known
    end.

%% The C printer of OTP 23 knows nothing of UTF-8: bytes 128 to 159 are octal.
characters(Name) ->
    case unicode:characters_to_list(Name) of
        List when is_list(List) -> List;
        _ -> unicode:characters_to_list(octal(Name))
    end.

octal(<<$\\, $2, B, C, Rest/binary>>) when B >= $0, B =< $3, C >= $0, C =< $7 ->
    <<(128 + (B - $0) * 8 + C - $0), (octal(Rest))/binary>>;
octal(<<$\\, C, Rest/binary>>) -> <<$\\, C, (octal(Rest))/binary>>;
octal(<<C, Rest/binary>>) -> <<C, (octal(Rest))/binary>>;
octal(<<>>) -> <<>>.

%% The C printer does not quote reserved words.
function_name({atom, _, F}) -> F;
function_name({Word, _}) -> Word.

number(Fun, List) ->
    lists:zipwith(Fun, lists:seq(0, length(List) - 1), List).

%% Formatting a name takes longer than all the rest.
mfa({M, F, A} = MFA) ->
    case get(MFA) of
        undefined ->
            Name = unicode:characters_to_binary([atom(M), $:, atom(F), $/, integer_to_list(A)]),
            put(MFA, Name),
            Name;
        Known ->
            Known
    end;
mfa(_) -> "".

atom(Atom) ->
    io_lib:format("~tw", [Atom]).

line(Fields) ->
    [lists:join($\t, Fields), $\n].

backtraces(File) ->
    _ = vmctl:rest([self()], 3000),
    {ok, Fd} = file:open(File, [write, raw, binary]),
    [ok = file:write(Fd, [pid_to_list(P), $\n, Text, $\n])
     || P <- processes(), P =/= self(), {_, Text} <- [process_info(P, backtrace)]],
    ok = file:close(Fd),
    [].
