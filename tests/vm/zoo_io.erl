%% Zoo: input that never comes and output that never leaves.
%%
%% Everything stays inside the VM: sockets on the loopback interface, and a
%% FIFO in the working directory. Where the host has no loopback interface the
%% socket shapes are skipped.
-module(zoo_io).
-include_lib("kernel/include/file.hrl").
-export([shapes/0, gc_of/1]).

shapes() ->
    [{tcp_accept, once, fun tcp_accept/0},
     {tcp_recv, once, fun tcp_recv/0},
     {tcp_active, once, fun tcp_active/0},
     {tcp_busy, once, fun tcp_busy/0},
     {udp_recv, once, fun udp_recv/0},
     {fifo_read, once, fun fifo_read/0},
     {file_io_server, once, fun file_io_server/0},
     {ets_owner, once, fun ets_owner/0}].

-define(LOCAL, [{ip, {127, 0, 0, 1}}, binary, {active, false}]).

tcp_accept() ->
    owner(fun() ->
        case gen_tcp:listen(0, ?LOCAL) of
            {ok, Listen} -> {ok, fun() -> {gen_tcp:accept(Listen), Listen} end};
            Error -> Error
        end
    end).

tcp_recv() ->
    pair(fun(Client, _) -> {gen_tcp:recv(Client, 10), Client} end).

tcp_active() ->
    pair(fun(Client, Server) ->
        ok = inet:setopts(Client, [{active, once}]),
        receive {tcp, Client, Data} -> {Data, Server} end
    end).

%% Sends until the port is busy: suspended by the VM in the middle of a send.
tcp_busy() ->
    pair(fun(Client, Server) ->
        {send_all(Client, binary:copy(<<0>>, 100000)), Server}
    end).

send_all(Socket, Data) ->
    case gen_tcp:send(Socket, Data) of
        ok -> send_all(Socket, Data);
        Error -> Error
    end.

pair(Fun) ->
    owner(fun() ->
        case gen_tcp:listen(0, ?LOCAL) of
            {ok, Listen} ->
                {ok, Port} = inet:port(Listen),
                {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
                {ok, Server} = gen_tcp:accept(Listen),
                {ok, fun() -> Fun(Client, Server) end};
            Error -> Error
        end
    end).

udp_recv() ->
    owner(fun() ->
        case gen_udp:open(0, ?LOCAL) of
            {ok, Socket} -> {ok, fun() -> {gen_udp:recv(Socket, 0), Socket} end};
            Error -> Error
        end
    end).

%% Sockets belong to the process that waits on them.
owner(Prepare) ->
    Parent = self(),
    Ref = make_ref(),
    Pid = spawn(fun() ->
        case Prepare() of
            {ok, Wait} -> Parent ! {Ref, ok}, [Wait()];
            {error, Why} -> Parent ! {Ref, {skipped, Why}}
        end
    end),
    receive
        {Ref, ok} -> Pid;
        {Ref, Skipped} -> Skipped
    end.

%% A read on a dirty I/O scheduler that never returns, and somebody who waits
%% for that process to be garbage collected.
fifo_read() ->
    Name = "zoo_fifo",
    _ = os:cmd("mkfifo " ++ Name),
    case file:read_file_info(Name) of
        {ok, #file_info{type = other}} ->
            Reader = spawn(fun() ->
                {ok, Fd} = file:open(Name, [raw, read, write, binary]),
                {file:read(Fd, 10), Fd}
            end),
            vmctl:await(reading, fun() ->
                {_, {M, F, _}} = process_info(Reader, current_function),
                {M, F} =:= {prim_file, read_nif} end),
            [Reader, spawn(?MODULE, gc_of, [Reader])];
        Other -> {skipped, Other}
    end.

gc_of(Pid) ->
    [erlang:garbage_collect(Pid), Pid].

%% The process behind a file that was opened without `raw'.
file_io_server() ->
    Parent = self(),
    Pid = spawn(fun() ->
        {ok, Io} = file:open("zoo_file", [write]),
        ok = io:put_chars(Io, "kept open\n"),
        Parent ! {io_server, Io},
        {zoo:park(), Io}
    end),
    receive {io_server, Io} -> [Pid, Io] end.

ets_owner() ->
    spawn(fun() ->
        T = ets:new('zoo table', [named_table, ordered_set, public]),
        ets:insert(T, [{I, lists:seq(1, I)} || I <- lists:seq(1, 100)]),
        {zoo:park(), T}
    end).
