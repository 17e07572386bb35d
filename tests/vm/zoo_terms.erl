%% Zoo: stack slots (Y registers) holding every kind of term, and terms that
%% look like something else: a return address, a header word, a catch tag.
-module(zoo_terms).
-export([shapes/0, hold/1, hold/4, hold_many/1]).

shapes() ->
    [{hold_each_kind, once,
      fun() -> [spawn(?MODULE, hold, [T]) || T <- kinds()] end},
     {hold_four, many,
      fun() -> spawn(fun() -> [A, B, C, D | _] = kinds(), hold(A, B, C, D) end) end},
     {hold_lookalikes, once,
      fun() -> [spawn(?MODULE, hold, [T]) || T <- lookalikes()] end},
     {hold_many, many, fun() -> spawn(?MODULE, hold_many, [7]) end},
     {hold_heap, many, fun() -> spawn(fun() -> {big(500), zoo:park(), big(3)} end) end},
     {hold_literals, many,
      fun() -> spawn(fun() -> L = literal(), X = zoo:park(), {L, X} end) end}].

hold(T) ->
    {hold_2([T]), T}.

hold_2(L) ->
    {zoo:park(), L}.

hold(A, B, C, D) ->
    X = zoo:park(),
    {A, B, C, D, X}.

%% Many slots alive across one call.
hold_many(N) ->
    A = N + 1, B = -A, C = float(A) / 3, D = {A, B}, E = [A, B | C],
    F = <<A:64, B:64>>, G = make_ref(), H = self(), I = fun() -> {A, G} end,
    J = #{A => B, c => C}, K = 1 bsl (60 + N), L = -K, M = list_to_atom("zoo"),
    O = fun lists:map/2, P = binary:part(F, 3, 5), Q = {}, R = [], S = "text",
    T = binary:copy(<<"refc">>, 50), U = <<N:3>>,
    X = zoo:park(),
    {A, B, C, D, E, F, G, H, I, J, K, L, M, O, P, Q, R, S, T, U, X}.

kinds() ->
    Self = self(),
    Refc = binary:copy(<<"0123456789">>, 20),
    Large = maps:from_list([{I, {I}} || I <- lists:seq(1, 100)]),
    [0, 1, -1, (1 bsl 59) - 1, -(1 bsl 59), 1 bsl 59, -(1 bsl 59) - 1, 1 bsl 64,
     -(1 bsl 64), 1 bsl 1000, 0.0, -0.5, 1.0e300, 5.0e-324,
     a, '', true, 'hello world', [], [a], [a | b], "abc", [[], [[]]], {}, {a},
     {a, {b, [c]}}, list_to_tuple(lists:seq(1, 300)),
     <<>>, <<"heap">>, Refc, binary:part(Refc, 7, 100), <<5:3>>, <<Refc/binary, 1:1>>,
     make_ref(), Self, whereis(init), hd(erlang:ports()),
     fun() -> ok end, fun() -> Self end, fun(X) -> {X, Refc, Self} end, fun lists:seq/2,
     #{}, #{a => 1}, #{1 => #{2 => 3}}, Large, atomics:new(3, []),
     erlang:make_tuple(0, x), lists:seq(1, 1000), persistent(), ets:new(zoo_kind, [])].

%% Shared with every process through persistent_term: a literal.
persistent() ->
    persistent_term:put({?MODULE, kept}, {kept, "in", <<"literals">>}),
    persistent_term:get({?MODULE, kept}).

%% Small integers whose machine words, after tagging or before, look like heap
%% and code addresses, headers of tuples, maps and binaries, and catch tags.
lookalikes() ->
    [16#00007f1234567890, 16#00005555deadbee0, 16#7ffffffff000, 16#7f12345678,
     16#00007f1234567890 bsr 4, 16#400000, 16#ffffffff, 16#2b, 16#0b,
     {16#40, 16#80, 16#c0, 16#100}, {16#1b, 16#2b, 16#3b, 16#24, 16#a8},
     [16#00007f1234567890 bsr 4 | 16#00007f1234567894 bsr 4],
     <<16#00007f1234567890:64/little, 16#40:64/little>>,
     list_to_tuple([16#7f0000000000 + I * 8 || I <- lists:seq(0, 62)])].

big(N) ->
    [{I, I * 1.5, integer_to_binary(I)} || I <- lists:seq(1, N)].

literal() ->
    {[literal, "of", <<"the module">>], #{with => {1, 2.0, 1 bsl 70}}}.
