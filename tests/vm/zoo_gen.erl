%% Making modules at run time: the names and shapes no source file would have.
%% Used by the zoo and by the code loading workload.
-module(zoo_gen).
-export([load/2, load/3, load_renamed/2, assembly/1, assemble/2, compile/3]).
-export([function/3, chain/2, atom_call/2]).

-define(A, 1).

%% load(Module, Forms): compile and load, return the module.
load(Module, Forms) ->
    load(Module, Forms, []).

load(Module, Forms, Options) ->
    Binary = compile(Module, Forms, Options),
    {module, Module} = code:load_binary(Module, "zoo_gen", Binary),
    Module.

compile(Module, Forms, Options) ->
    forms([{attribute, ?A, module, Module} | Forms],
          [export_all, nowarn_export_all | Options]).

%% The linter rejects modules with names the VM is content with (empty, blank,
%% not Latin-1), so they are renamed after it, in the assembly code.
load_renamed(Module, Forms) ->
    Binary = assemble(assembly(Forms), Module),
    {module, Module} = code:load_binary(Module, "zoo_gen", Binary),
    Module.

%% Assembly code of a module named zoo_placeholder, and a module made of it:
%% much faster than compiling the same under many names.
assembly(Forms) ->
    compile(zoo_placeholder, Forms, ['S']).

assemble(Assembly, Module) ->
    forms(rename(Assembly, zoo_placeholder, Module), [from_asm]).

forms(Forms, Options) ->
    case compile:forms(Forms, [binary, return_errors | Options]) of
        {ok, _, Result} -> Result;
        {ok, _, Result, _} -> Result
    end.

rename(Old, Old, New) -> New;
rename([H | T], Old, New) -> [rename(H, Old, New) | rename(T, Old, New)];
rename(T, Old, New) when is_tuple(T) ->
    list_to_tuple([rename(E, Old, New) || E <- tuple_to_list(T)]);
rename(M, Old, New) when is_map(M) ->
    maps:from_list(rename(maps:to_list(M), Old, New));
rename(Other, _, _) -> Other.

%% A function of one clause: arguments are names of variables.
function(Name, Args, Body) ->
    {function, ?A, Name, length(Args),
     [{clause, ?A, [{var, ?A, V} || V <- Args], [], Body}]}.

%% A chain of functions of one argument, one calling the next from within a
%% list (so that the frame stays), the last one parking.
chain(Module, Names) ->
    [Last | _] = lists:reverse(Names),
    lists:zipwith(
      fun(Name, Next) ->
          Call = case Name of
              Last -> atom_call({zoo, park}, []);
              _ -> atom_call({Module, Next}, [{var, ?A, 'X'}])
          end,
          function(Name, ['X'], [{cons, ?A, Call, {var, ?A, 'X'}}])
      end, Names, tl(Names) ++ [hd(Names)]).

atom_call({M, F}, Args) ->
    {call, ?A, {remote, ?A, {atom, ?A, M}, {atom, ?A, F}}, Args}.
