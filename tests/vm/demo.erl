%% The workload of the demonstration: a small shop, busy enough to be looked at.
%%
%% demo [PERCENT]          how busy, of one core (default 70)
%%
%%   order_router     hands big orders to the workers: the terms are copied
%%   worker_1..3      price the orders and remember them
%%   session_cache    reads and writes sessions in an ETS table
%%   packet_parser    takes packets apart: binaries
%%   report_builder   walks a tree, deeply: stack and heap
%%   audit_log        gets a line for each order; hibernates when idle
%%   catalog, billing, mailer: idle gen_servers below shop_sup
%%
%% Each busy process works for its share of a 20 ms beat, then waits for the
%% next one. The shares are: router and workers together 35 %, cache 20 %,
%% parser 25 %, reports 20 %.
%%
%% Commands:
%%   stats   "orders <n>", "sessions <n>", "packets <n>", "reports <n>"
-module(demo).
-behaviour(gen_server).
-export([main/1, handle/2, run/4]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

main([]) -> main(["70"]);
main([Percent]) ->
    C = counters:new(4, [write_concurrency]),
    P = list_to_integer(Percent),
    {ok, _} = supervisor:start_link({local, shop_sup}, ?MODULE, supervisor),
    ets:new(sessions, [named_table, public, set]),
    [ets:insert(sessions, session(I)) || I <- lists:seq(1, 2000)],
    Workers = [begin
                   {ok, Pid} = gen_server:start_link({local, Name}, ?MODULE, {worker, []}, []),
                   Pid
               end || Name <- [worker_1, worker_2, worker_3]],
    {ok, _} = gen_server:start_link({local, audit_log}, ?MODULE, audit_log, []),
    [spawn_link(?MODULE, run, [Name, Share * P * 200 div 100, State, C])
     || {Name, Share, State} <- [{order_router, 35, {1, list_to_tuple(Workers)}},
                                 {session_cache, 20, 1},
                                 {packet_parser, 25, packets()},
                                 {report_builder, 20, tree(12, 1)}]],
    C.

handle(["stats"], C) ->
    {ok, [io_lib:format("~s ~w~n", [Name, counters:get(C, I)])
          || {Name, I} <- [{"orders", 1}, {"sessions", 2}, {"packets", 3}, {"reports", 4}]], C};
handle(_, _) ->
    unknown.

%% Budget: microseconds of work in each beat of 20 ms.
run(Name, Budget, State, C) ->
    register(Name, self()),
    beat(Name, Budget, State, C).

beat(Name, Budget, State, C) ->
    Start = erlang:monotonic_time(microsecond),
    State1 = work(Name, Start + Budget, State, C),
    Left = 20000 - (erlang:monotonic_time(microsecond) - Start),
    receive after max(1, Left div 1000) -> ok end,
    beat(Name, Budget, State1, C).

work(Name, End, State, C) ->
    State1 = case Name of
        order_router -> route_order(State, C);
        session_cache -> touch_sessions(State, C);
        packet_parser -> parse_packets(State, C);
        report_builder -> build_report(State, C)
    end,
    case erlang:monotonic_time(microsecond) < End of
        true -> work(Name, End, State1, C);
        false -> State1
    end.

%% Orders.

route_order({N, Workers}, C) ->
    Order = make_order(N),
    Worker = element(N rem tuple_size(Workers) + 1, Workers),
    priced = send_order(Worker, Order),
    counters:add(C, 1, 1),
    {N + 1, Workers}.

make_order(N) ->
    {order, N, [#{item => I, name => <<"item ", (integer_to_binary(I))/binary>>,
                  price => I * 1.25, options => [gift, {size, I rem 5}]}
                || I <- lists:seq(1, 300)]}.

send_order(Worker, Order) ->
    gen_server:call(Worker, Order, 60000).

price_order({order, N, Items}) ->
    Total = lists:foldl(fun(#{price := P}, Sum) -> Sum + P end, 0.0, Items),
    {N, Total, lists:sort([Name || #{name := Name} <- Items])}.

%% Sessions.

touch_sessions(N, C) ->
    [touch_session((N * 7919 + I) rem 2000 + 1) || I <- lists:seq(1, 20)],
    counters:add(C, 2, 20),
    N + 1.

touch_session(Id) ->
    [{Id, Info}] = ets:lookup(sessions, Id),
    #{seen := Seen} = Info,
    true = ets:insert(sessions, {Id, Info#{seen := Seen + 1}}).

session(Id) ->
    {Id, #{user => <<"user", (integer_to_binary(Id))/binary>>, seen => 0,
           basket => [{I, I * 2} || I <- lists:seq(1, 40)]}}.

%% Packets.

parse_packets(Stream, C) ->
    Packets = parse_stream(Stream, []),
    counters:add(C, 3, length(Packets)),
    Stream.

parse_stream(<<Kind:8, Size:16, Body:Size/binary, Rest/binary>>, Packets) ->
    parse_stream(Rest, [parse_body(Kind, Body) | Packets]);
parse_stream(<<>>, Packets) ->
    Packets.

parse_body(1, Body) -> {text, string:uppercase(Body)};
parse_body(2, Body) -> {list, binary:split(Body, <<",">>, [global])};
parse_body(3, Body) -> {sum, checksum(Body, 0)}.

checksum(<<B, Rest/binary>>, Sum) -> checksum(Rest, (Sum * 31 + B) band 16#ffffff);
checksum(<<>>, Sum) -> Sum.

packets() ->
    iolist_to_binary([begin
                          Body = binary:copy(<<"alpha,beta,gamma,">>, 1 + I rem 20),
                          <<(I rem 3 + 1), (byte_size(Body)):16, Body/binary>>
                      end || I <- lists:seq(1, 100)]).

%% Reports.

build_report(Tree, C) ->
    {_, _} = summarize(Tree),
    counters:add(C, 4, 1),
    Tree.

summarize(leaf) -> {0, []};
summarize({node, Left, Value, Right}) ->
    {A, Lines1} = summarize(Left),
    {B, Lines2} = summarize(Right),
    {A + Value + B, [{Value, A + B} | lists:append(lists:sublist(Lines1, 10),
                                                   lists:sublist(Lines2, 10))]}.

tree(0, _) -> leaf;
tree(Depth, Value) ->
    {node, tree(Depth - 1, Value * 2), Value, tree(Depth - 1, Value * 2 + 1)}.

%% Servers.

init(supervisor) ->
    {ok, {#{}, [#{id => Name, start => {gen_server, start_link,
                                        [{local, Name}, ?MODULE, {idle, Name}, []]}}
                || Name <- [catalog, billing, mailer]]}};
init(State) ->
    {ok, State}.

handle_call({order, N, _} = Order, _From, {worker, Recent}) ->
    Priced = price_order(Order),
    gen_server:cast(audit_log, {order, N}),
    {reply, priced, {worker, lists:sublist([Priced | Recent], 5)}};
handle_call(_, _, State) ->
    {reply, ok, State}.

handle_cast({order, N}, audit_log) when N rem 1000 =:= 0 -> {noreply, audit_log, hibernate};
handle_cast(_, State) -> {noreply, State}.

handle_info(_, State) -> {noreply, State}.
