%% Zoo: behaviours and what people do with them. This module is the callback
%% module of all of them.
-module(zoo_otp).
-behaviour(gen_server).
-export([shapes/0, tree/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, handle_event/2, terminate/2,
         callback_mode/0, waiting/3, handle_event/4]).

shapes() ->
    [{gen_server, many, fun() -> started(gen_server:start(?MODULE, server, [])) end},
     {gen_server_hibernating, many,
      fun() -> started(gen_server:start(?MODULE, hibernate, [])) end},
     {gen_statem, many, fun() -> started(gen_statem:start(?MODULE, statem, [])) end},
     {gen_statem_timeout, many,
      fun() -> started(gen_statem:start(?MODULE, statem_timeout, [])) end},
     {gen_event, many, fun gen_event/0},
     {supervisor, once, fun supervisor/0},
     {registered_server, once,
      fun() -> started(gen_server:start({local, zoo_server}, ?MODULE, server, [])) end},
     {global_server, once,
      fun() -> started(gen_server:start({global, zoo_global}, ?MODULE, server, [])) end},
     {unanswered_call, many, fun unanswered_call/0},
     {call_cycle, once, fun call_cycle/0},
     {busy_in_callback, many, fun busy_in_callback/0},
     {starting, once, fun starting/0},
     {task, many, fun() -> proc_lib:spawn(fun() -> {zoo:park(), task} end) end},
     {blocked_call_rpc, once, fun blocked_rpc/0}].

started({ok, Pid}) -> Pid.

gen_event() ->
    {ok, Pid} = gen_event:start(),
    ok = gen_event:add_handler(Pid, ?MODULE, event),
    Pid.

%% A supervisor of supervisors; the starter unlinks itself.
supervisor() ->
    {ok, Sup} = supervisor:start_link(?MODULE, {sup, zoo_sup, 2}),
    unlink(Sup),
    tree(Sup).

tree(Sup) ->
    [Sup | lists:append([case Type of
                             supervisor -> tree(Pid);
                             worker -> [Pid]
                         end || {_, Pid, Type, _} <- supervisor:which_children(Sup)])].

%% The server takes the call and never answers.
unanswered_call() ->
    {ok, Server} = gen_server:start(?MODULE, server, []),
    [Server, spawn(fun() -> {gen_server:call(Server, ignore, infinity)} end)].

%% Three servers, each inside a call to the next.
call_cycle() ->
    Names = [zoo_cycle_a, zoo_cycle_b, zoo_cycle_c],
    Pids = [started(gen_server:start({local, N}, ?MODULE, server, [])) || N <- Names],
    [gen_server:cast(N, {call, Next})
     || {N, Next} <- lists:zip(Names, tl(Names) ++ [hd(Names)])],
    Pids.

%% Servers that park inside a callback, with a client waiting and mail queued.
busy_in_callback() ->
    {ok, Server} = gen_server:start(?MODULE, server, []),
    gen_server:cast(Server, park),
    Client = spawn(fun() -> {gen_server:call(Server, ignore, infinity)} end),
    vmctl:await(queued, fun() -> process_info(Server, message_queue_len)
                                     =:= {message_queue_len, 1} end),
    [Server, Client].

%% Somebody waits in proc_lib:start for a server whose init parks.
starting() ->
    Client = spawn(fun() -> {gen_server:start_link(?MODULE, {slow, self()}, [])} end),
    vmctl:await(starting, fun() -> process_info(Client, links) =/= {links, []} end),
    {links, [Server]} = process_info(Client, links),
    [Client, Server].

%% A caller inside erpc, for work that never ends.
blocked_rpc() ->
    case erlang:function_exported(erpc, call, 3) orelse code:ensure_loaded(erpc) of
        {error, _} -> {skipped, no_erpc};
        _ ->
            Done = self(),
            Client = spawn(fun() ->
                {erpc:call(node(), fun() -> Done ! {worker, self()}, {zoo:park()} end)}
            end),
            receive {worker, Worker} -> [Client, Worker] end
    end.

init(event) -> {ok, event};
init(statem) -> {ok, waiting, data};
init(statem_timeout) -> {ok, waiting, data, [{state_timeout, 80000000, late}]};
init(hibernate) -> {ok, hibernate, hibernate};
init({slow, _}) -> zoo:park(), {ok, slow};
init({sup, Name, Depth}) ->
    Worker = fun(I) -> #{id => I, start => {gen_server, start_link, [?MODULE, server, []]}} end,
    Below = [#{id => sup, type => supervisor,
               start => {supervisor, start_link, [?MODULE, {sup, none, Depth - 1}]}} || Depth > 0],
    Name =:= none orelse register(Name, self()),
    {ok, {#{strategy => one_for_one}, [Worker(I) || I <- [1, 2]] ++ Below}};
init(Arg) -> {ok, Arg}.

handle_call(ignore, _, State) -> {noreply, State}.

handle_cast({call, Server}, State) ->
    {noreply, [gen_server:call(Server, ignore, infinity), State]};
handle_cast(park, State) ->
    {zoo:park(), State}.

handle_info(_, State) -> {noreply, State}.

handle_event(_, State) -> {ok, State}.

terminate(_, _) -> ok.

callback_mode() -> state_functions.

waiting(_, _, Data) -> {keep_state, Data}.

handle_event(_, _, _, Data) -> {keep_state, Data}.
