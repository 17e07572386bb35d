%% Very many parked processes, for measuring how our tools scale.
%%
%% many N
%%     N processes in zoo:park/0 at depths 1 to 12, in four shapes: one function
%%     over and over, two by turns, with more terms on the stack, and with a
%%     message in the queue and a dictionary. Started by several processes at
%%     once. The emulator needs `+P' for more than some 260,000.
%%
%% Commands: those of vmctl.
-module(many).
-export([main/1, handle/2, nest/1, ping/1, pong/1, wide/1]).

main([Count]) ->
    N = list_to_integer(Count),
    Starters = 8,
    Self = self(),
    Pids = [spawn_link(fun() ->
                start(I, N, Starters),
                Self ! {done, self()}
            end) || I <- lists:seq(1, Starters)],
    [receive {done, P} -> ok end || P <- Pids],
    vmctl:await(parked, fun() -> statistics(total_run_queue_lengths_all) =:= 0 end),
    {_, []} = vmctl:rest([self()], 30000),
    N.

handle(_, _) ->
    unknown.

start(I, N, _) when I > N -> ok;
start(I, N, Step) ->
    Depth = I rem 12 + 1,
    case I div 12 rem 4 of
        0 -> spawn(?MODULE, nest, [Depth]);
        1 -> spawn(?MODULE, ping, [Depth]);
        2 -> spawn(?MODULE, wide, [Depth]);
        3 -> spawn(fun() -> put(depth, Depth), [nest(Depth)] end) ! {number, I}
    end,
    start(I + Step, N, Step).

nest(1) -> zoo:park();
nest(N) -> [nest(N - 1)].

ping(1) -> [zoo:park()];
ping(N) -> {pong(N - 1), N}.

pong(1) -> {zoo:park()};
pong(N) -> [ping(N - 1)].

wide(1) -> zoo:park();
wide(N) ->
    A = N * 1.5, B = {N, N}, C = [N | B], D = <<N:32>>,
    E = wide(N - 1),
    {A, B, C, D, E}.
