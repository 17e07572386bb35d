%% Zoo: code that is not simply the current version of a module.
%%
%% old_code      processes parked in version 1, the module now at version 2 and
%%               processes parked in that too; each version has a function the
%%               other has not, and the common ones are at other addresses
%% only_old      parked in a module that was deleted: no current version at all
%% reloaded      a module that was purged before its second version was loaded
%% on_load       a module that ran an on_load function
%% in_on_load    a process in an on_load function that never returns: its
%%               module is loaded, but not yet the current version
%% soft_purged   a module that is no more, where other code had been
-module(zoo_code).
-export([shapes/0, loaded_by/3]).

shapes() ->
    [{old_code, once, fun old_code/0},
     {only_old, once, fun only_old/0},
     {reloaded, once, fun reloaded/0},
     {on_load, once, fun on_load/0},
     {in_on_load, once, fun in_on_load/0},
     {soft_purged, once, fun soft_purged/0}].

old_code() ->
    version(zoo_versions, [common, in_version_1, shared_name, deepest]),
    Old = [spawn(zoo_versions, common, [[]]), spawn(zoo_versions, shared_name, [[]]),
           spawn(fun() -> {zoo_versions:in_version_1([]), here} end)],
    parked(Old),
    version(zoo_versions, [padding, more_padding, in_version_2, shared_name, common, deepest]),
    New = [spawn(zoo_versions, F, [[]]) || F <- [in_version_2, common, deepest]],
    parked(New),
    true = erlang:check_old_code(zoo_versions),
    Old ++ New.

only_old() ->
    version(zoo_deleted, [one, two, three]),
    Pids = [spawn(zoo_deleted, F, [[]]) || F <- [one, two, three]],
    parked(Pids),
    true = code:delete(zoo_deleted),
    Pids.

reloaded() ->
    version(zoo_reloaded, [gone, first, second]),
    true = code:delete(zoo_reloaded),
    false = code:purge(zoo_reloaded),
    version(zoo_reloaded, [first, fresh, second]),
    Pids = [spawn(zoo_reloaded, first, [[]])],
    parked(Pids),
    Pids.

on_load() ->
    zoo_gen:load(zoo_on_load, [{attribute, 1, on_load, {prepare, 0}},
                               zoo_gen:function(prepare, [], [{atom, 1, ok}]) |
                               zoo_gen:chain(zoo_on_load, [outer, inner])]),
    Pids = [spawn(zoo_on_load, outer, [[]])],
    parked(Pids),
    Pids.

in_on_load() ->
    Forms = [{attribute, 1, on_load, {prepare, 0}},
             zoo_gen:function(prepare, [], [{tuple, 1, [zoo_gen:atom_call({?MODULE, loaded_by},
                 [{atom, 1, zoo_loading}, {atom, 1, zoo_load_runner},
                  {call, 1, {atom, 1, self}, []}])]}])],
    Binary = zoo_gen:compile(zoo_loading, Forms, []),
    Loader = spawn(fun() -> {code:load_binary(zoo_loading, "zoo_gen", Binary), self()} end),
    vmctl:await(in_on_load, fun() -> is_pid(whereis(zoo_load_runner)) end),
    Runner = whereis(zoo_load_runner),
    parked([Runner, Loader]),
    [Runner, Loader].

%% Called from within the on_load function.
loaded_by(Module, Name, Self) ->
    register(Name, Self),
    {zoo:park(), Module}.

%% The hole a module leaves may be filled by the next ones.
soft_purged() ->
    version(zoo_hole, [f || _ <- [1]]),
    true = code:delete(zoo_hole),
    true = code:soft_purge(zoo_hole),
    [spawn(zoo, park, [])].

version(Module, Names) ->
    zoo_gen:load(Module, zoo_gen:chain(Module, Names)).

parked(Pids) ->
    vmctl:await(parked, fun() ->
        lists:all(fun(P) -> process_info(P, status) =:= {status, waiting} end, Pids) end).
