%% The zoo: about 2,000 processes parked in known states, for the tests that
%% compare what our tools see with what the VM says of itself.
%%
%% zoo [COUNT]: every shape that is needed once is made once, then the shapes
%% that may be repeated are repeated in turn until COUNT processes (default
%% 2000) were made. The same COUNT gives the same zoo. Nothing moves after
%% READY: no timers fire, no messages travel, no scheduler works.
%%
%% A shape is {Name, once | many, fun(() -> pid() | [pid()])}. They come from
%%   zoo_stacks    call stacks: deep, shallow, tail, callbacks, catches, arity
%%   zoo_terms     stack slots holding every kind of term
%%   zoo_mailbox   receive, queues, timeouts, hibernation, flags, suspension
%%   zoo_names     odd module, function, process and file names, odd lines
%%   zoo_code      old, deleted, purged, on_load code
%%   zoo_otp       behaviours, supervision, calls that are never answered
%%   zoo_io        sockets and files that never become ready
%%   zoo_nif       dirty NIFs that never return
%%   zoo_traced    trace instructions on the stack
%%
%% Commands:
%%   kinds         one line per process: <shape> TAB <pid>
%%   skipped       shapes this VM cannot have, with the reason
-module(zoo).
-export([main/1, handle/2, park/0]).

main([]) -> main(["2000"]);
main([Count]) ->
    Shapes = lists:append([M:shapes() || M <- [zoo_stacks, zoo_terms, zoo_mailbox,
                                               zoo_names, zoo_code, zoo_otp, zoo_io,
                                               zoo_nif, zoo_traced]]),
    Once = [make(S) || {_, once, _} = S <- Shapes],
    Many = [S || {_, many, _} = S <- Shapes],
    Made = Once ++ repeat(Many, Many, list_to_integer(Count) - size_of(Once)),
    %% Shapes settle by themselves; then all of them are looked at together.
    case vmctl:rest([self()], 20000) of
        {_, []} -> Made;
        {_, Moving} -> error({not_parked, [{P, process_info(P, current_function)} || P <- Moving]})
    end.

handle(["kinds"], Made) ->
    {ok, [[atom_to_list(Name), $\t, pid_to_list(P), $\n]
          || {Name, Pids} <- Made, is_list(Pids), P <- Pids], Made};
handle(["skipped"], Made) ->
    {ok, [io_lib:format("~w\t~0tp~n", [Name, Why]) || {Name, {skipped, Why}} <- Made],
     Made};
handle(_, _) ->
    unknown.

%% A shape may need what the host does not have, such as a loopback interface.
make({Name, _, Fun}) ->
    case Fun() of
        Pid when is_pid(Pid) -> {Name, [Pid]};
        Pids when is_list(Pids) -> {Name, Pids};
        {skipped, _} = Skipped -> {Name, Skipped}
    end.

size_of(Made) ->
    lists:sum([length(Pids) || {_, Pids} <- Made, is_list(Pids)]).

repeat(_, _, Left) when Left =< 0 -> [];
repeat([], All, Left) -> repeat(All, All, Left);
repeat([Shape | Shapes], All, Left) ->
    {_, Pids} = Made = make(Shape),
    [Made | repeat(Shapes, All, Left - length(Pids))].

%% Where most of them wait.
park() ->
    receive zoo_go -> ok end.
