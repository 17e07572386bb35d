%% Zoo: a module and functions named the way Elixir's compiler names them.
-module('Elixir.Zoo.Keeper').
-export(['handle-call!'/1, '-anonymous fn/1-'/1, 'MACRO-feed'/2, '__info__'/1, 'open?'/1]).

'__info__'(module) -> ?MODULE.

'handle-call!'(N) ->
    {'open?'(N), N}.

'open?'(N) when N < 3 -> ['MACRO-feed'(self(), N + 1), N];
'open?'(_) -> {zoo:park()}.

'MACRO-feed'(Caller, N) ->
    F = fun(X) -> {'open?'(X), Caller} end,
    {F(N), Caller}.

'-anonymous fn/1-'(N) ->
    lists:map(fun(X) -> {'handle-call!'(X), N} end, [N, N + 1]).
