%% Storm, family b: see storm.erl. The chain b1 ... b8 is body-recursive, so
%% that each function has a frame while the next one works.
-module(storm_b).
-export([b1/2]).

b1(How, X) -> [b2(How, X + 1) | X].
b2(How, X) -> {b3(How, X + 1), X}.
b3(How, X) ->
    Y = b4(How, X + 1),
    {Y, X, How}.
b4(How, X) -> [How, b5(How, X + 1)].
b5(How, X) ->
    try b6(How, X + 1)
    catch throw:T -> {T, X}
    end.
b6(How, X) -> {X, b7(How, X + 1)}.
b7(How, X) ->
    A = {X, How},
    B = [X],
    C = b8(How, X + 1),
    {A, B, C}.
b8(How, X) -> {leaf(How, X), X}.

%% A frame of its own in every case.
leaf(jit, X) -> X * 3 + 1;
leaf(How, X) -> [storm:work(How, X)].
