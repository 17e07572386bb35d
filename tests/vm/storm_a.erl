%% Storm, family a: see storm.erl. The chain a1 ... a8 is body-recursive, so
%% that each function has a frame while the next one works.
-module(storm_a).
-export([a1/2]).

a1(How, X) -> [a2(How, X + 1) | X].
a2(How, X) -> {a3(How, X + 1), X}.
a3(How, X) ->
    Y = a4(How, X + 1),
    {Y, X, How}.
a4(How, X) -> [How, a5(How, X + 1)].
a5(How, X) ->
    try a6(How, X + 1)
    catch throw:T -> {T, X}
    end.
a6(How, X) -> {X, a7(How, X + 1)}.
a7(How, X) ->
    A = {X, How},
    B = [X],
    C = a8(How, X + 1),
    {A, B, C}.
a8(How, X) -> {leaf(How, X), X}.

%% A frame of its own in every case.
leaf(jit, X) -> X * 3 + 1;
leaf(How, X) -> [storm:work(How, X)].
