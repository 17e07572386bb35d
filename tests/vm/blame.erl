%% Who copies the big terms? Two processes do, in known proportion.
%%
%% blame [SENDS [INSERTS [WORDS]]]      (defaults 2 1 5000)
%%
%% blame_sender sends SENDS terms to blame_sink, then blame_ets inserts INSERTS
%% into a table, and so on, one at a time; each term has about WORDS words (a
%% quarter more or less at random, a new one every time out of a prepared set),
%% and nothing in it is shared or a literal, so every word is copied.
%%
%% Stacks, innermost first:
%%     send_big/2, sender_batch/3, sender_loop/1
%%     insert_big/2, ets_batch/3, ets_loop/1
%%
%% The table keeps the last 64 tuples. The sink throws its messages away and
%% tells the sender when it has all of a batch, so queues stay short.
%%
%% Commands:
%%   stats   "send <operations> <words>" and "insert <operations> <words>"
%%   reset   start counting anew
-module(blame).
-export([main/1, handle/2]).
-export([sender_start/3, ets_start/2, sink/1, send_big/2, insert_big/2]).

-record(b, {counters, count, terms, other, sink, table}).

main([]) -> main(["2"]);
main([Sends]) -> main([Sends, "1"]);
main([Sends, Inserts]) -> main([Sends, Inserts, "5000"]);
main([Sends, Inserts, Words]) ->
    C = counters:new(4, []),
    W = list_to_integer(Words),
    Sink = spawn_link(?MODULE, sink, [0]),
    register(blame_sink, Sink),
    Ets = spawn_link(?MODULE, ets_start,
                     [#b{counters = C, count = list_to_integer(Inserts)}, W]),
    register(blame_ets, Ets),
    Sender = spawn_link(?MODULE, sender_start,
                        [#b{counters = C, count = list_to_integer(Sends), other = Ets,
                            sink = Sink}, W, self()]),
    register(blame_sender, Sender),
    receive {started, Sender} -> C end.

handle(["stats"], C) ->
    [A, B, D, E] = [counters:get(C, I) || I <- [1, 2, 3, 4]],
    {ok, io_lib:format("send ~w ~w~ninsert ~w ~w~n", [A, B, D, E]), C};
handle(["reset"], C) ->
    [counters:put(C, I, 0) || I <- [1, 2, 3, 4]],
    {ok, C};
handle(_, _) ->
    unknown.

sender_start(B, Words, Parent) ->
    Terms = terms(Words, fun(N) -> [{I, I + 0.5} || I <- lists:seq(1, N div 7)] end),
    Parent ! {started, self()},
    sender_loop(B#b{terms = Terms}).

sender_loop(B) ->
    sender_batch(B#b.count, B, 0),
    B#b.sink ! {batch, self(), B#b.count},
    receive {got, _} -> ok end,
    B#b.other ! {turn, self()},
    receive turn -> ok end,
    sender_loop(B).

sender_batch(0, _, Words) -> Words;
sender_batch(N, B, Words) ->
    {Size, Term} = pick(B#b.terms),
    send_big(B#b.sink, Term),
    counted(B#b.counters, 1, Size),
    sender_batch(N - 1, B, Words + Size).

%% Not the last call in its function, or it would not be on the stack.
send_big(Sink, Term) ->
    Sink ! {big, Term},
    sent.

sink(N) ->
    receive
        {big, Term} when is_list(Term) -> sink(N + 1);
        {batch, From, N} -> From ! {got, N}, sink(0)
    end.

ets_start(B, Words) ->
    Terms = terms(Words, fun(N) -> list_to_tuple([[I | {I}] || I <- lists:seq(1, N div 5)]) end),
    ets_loop(B#b{terms = Terms, table = ets:new(blame_table, [set, public])}).

ets_loop(B) ->
    receive
        {turn, From} ->
            ets_batch(B#b.count, B, 0),
            From ! turn,
            ets_loop(B)
    end.

ets_batch(0, _, Words) -> Words;
ets_batch(N, B, Words) ->
    {Size, Term} = pick(B#b.terms),
    insert_big(B#b.table, Term),
    counted(B#b.counters, 3, Size),
    ets_batch(N - 1, B, Words + Size).

insert_big(Table, Term) ->
    true = ets:insert(Table, {rand:uniform(64), Term}),
    inserted.

counted(C, I, Size) ->
    counters:add(C, I, 1),
    counters:add(C, I + 1, Size).

%% Sixteen terms with their sizes, as measured.
terms(Words, Make) ->
    List = [begin
                T = Make(Words - Words div 4 + (Words div 2) * I div 15),
                {erts_debug:flat_size(T), T}
            end || I <- lists:seq(0, 15)],
    list_to_tuple(List).

pick(Terms) ->
    element(rand:uniform(tuple_size(Terms)), Terms).
