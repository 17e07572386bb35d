#!/bin/sh
# Builds Erlang VMs that no package has, from Debian's source packages, into a cache directory outside the repository:
# the interpreter, the JIT with debug information, the JIT without the native stack.  See README.md.
#
# usage: make-builds.sh [--keep-tree] [--force] [--remove] [BUILD...]
#
#   BUILD        otp25emu (all of emu-plain, emu-vartrack, emu-vartrack-dwarf4, emu-vartrack-vta, emu-vartrack-noregs),
#                otp25dwarf, otp25nons, otp25nons-stripped, otp27emu, otp27emu-dwarf, otp29emu, otp29emu-dwarf;
#                default: all of them
#   --keep-tree  leave the unpacked and built source trees in the cache
#   --force      build again although the cache is up to date
#   --remove     delete instead of make
#
# Those of OTP 25 are of the release this Debian system has installed, and use its Erlang libraries.  The others are
# of that in the root of tests/roots which has their number, are put into a copy of it, and need root.
#
# Environment: EXTROSPECT_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/extrospect),
# JOBS (default: number of processors), CC (default gcc), CXX (default g++).

set -eu
LC_ALL=C.UTF-8
LANG=C
export LC_ALL LANG
unset CDPATH MAKEFLAGS MAKELEVEL ERL_TOP ERL_ROOTDIR ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS \
      CFLAGS CXXFLAGS CPPFLAGS LDFLAGS TARGET OVERRIDE_TARGET TYPE FLAVOR OBJDIR BINDIR

others='emu-vartrack emu-vartrack-dwarf4 emu-vartrack-vta emu-vartrack-noregs'
emus="emu-plain $others"
all="$emus otp25dwarf otp25nons otp25nons-stripped otp27emu otp27emu-dwarf otp29emu otp29emu-dwarf"
keep_tree=no
force=no
remove=no
builds=
for arg in "$@"; do
    case $arg in
        --keep-tree) keep_tree=yes ;;
        --force) force=yes ;;
        --remove) remove=yes ;;
        -h|--help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        otp25emu) builds="$builds $emus" ;;
        *)
            case " $all " in
                *" $arg "*) builds="$builds $arg" ;;
                *) echo "$0: unknown option or build: $arg (there are: otp25emu $all)" >&2; exit 2 ;;
            esac
            ;;
    esac
done
builds=${builds:-$all}

here=$(cd -- "$(dirname -- "$0")" && pwd -P)
jobs=${JOBS:-$(nproc)}
cc=${CC:-gcc}
cxx=${CXX:-g++}
cflags='-O2 -g -fno-strict-aliasing'
emu_cflags='-O2 -g3 -fno-strict-aliasing -fvar-tracking-assignments'
# gcc runs no variable tracking over a function of more than 500 basic blocks with 20 or more edges per block (fixed,
# no parameter).  process_main is such a function because every instruction ends in its own copy of the computed goto;
# with one shared copy it is not.
vartrack='--param=max-goto-duplication-insns=0 --param=max-vartrack-size=0'
classic='-fno-var-tracking-assignments -fvar-tracking'

# --- what the builds are -----------------------------------------------------

tree_of() {     # the source: a release
    case $1 in
        emu-*) echo otp25 ;;
        *) expr "$1" : '\(otp[0-9]*\)' ;;
    esac
}
group_of() {    # what is compiled together
    case $1 in
        otp25dwarf) echo jit ;;
        otp25nons*) echo nons ;;
        *) echo emu ;;
    esac
}
binary_of() {   # below bin/<target> of the tree
    case $1 in
        otp25dwarf) echo beam.jit ;;
        otp25nons*) echo nons/beam.jit ;;
        emu-plain|otp*) echo beam.emu ;;
        *) echo "$1" ;;
    esac
}
stripped() {    # whether it has no symbols
    case $1 in
        otp25nons-stripped|otp27emu|otp29emu) return 0 ;;
        *) return 1 ;;
    esac
}
flags_of() {    # what is added to the compilation of beam_emu.c
    case $1 in
        emu-vartrack) echo "$vartrack $classic" ;;
        emu-vartrack-dwarf4) echo "$vartrack $classic -gdwarf-4" ;;
        emu-vartrack-vta) echo "$vartrack" ;;
        emu-vartrack-noregs) echo "$vartrack -Og" ;;   # and see source_of
    esac
}
source_of() {   # noregs: without the asm declarations of E, I, FCALLS, reg
    case $1 in
        emu-vartrack-noregs) echo beam/emu/beam_emu_noregs.c ;;
        *) echo beam/emu/beam_emu.c ;;
    esac
}

cache_user="make-builds"
# shellcheck source=../lib/cache.sh
. "$here/../lib/cache.sh"
cache_find
directory_of() {
    case $1 in
        emu-*|otp25*) echo "$cache/$1" ;;
        *) echo "$cache/roots/$1" ;;
    esac
}

if [ $remove = yes ]; then
    [ -d "$cache" ] || { say "nothing at $cache"; exit 0; }
    cache_open
    for build in $builds; do
        cache_delete "$(directory_of "$build").new"
        cache_delete "$(directory_of "$build")"
        say "$build: removed"
    done
    exit 0
fi

# --- what is installed -------------------------------------------------------

command -v dpkg-query >/dev/null || die "needs a Debian system (no dpkg-query)"
trees=$(for build in $builds; do tree_of "$build"; done | sort -u)
for tree in $trees; do
    [ "$tree" = otp25 ] || "$here/../roots/make-roots.sh" "$tree" || exit 1
done

missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need "$cc" build-essential
need "$cxx" build-essential
need make build-essential
need dpkg-source dpkg-dev
need patch dpkg-dev
need perl perl
need m4 m4
need xz xz-utils
echo '#include <term.h>' | "$cc" -E - >/dev/null 2>&1 || missing="$missing libncurses-dev"
# shellcheck disable=SC2086  # a list of packages
cache_packages $missing

cache_open
mkdir -p "$cache/source"

version_of() {  # of the source package
    if [ "$1" = otp25 ]; then
        dpkg-query -W -f '${source:Version}' erlang-base 2>/dev/null ||
            die "the package erlang-base is not installed (apt-get install erlang-base)"
    else
        sed -n 's/^erlang-base //p' "$cache/roots/$1/packages" | sed 's/+b[0-9]*$//'
    fi
}
for tree in $trees; do
    version_of "$tree" >/dev/null || exit 1
done
stamp_of() {
    echo "build: $1"
    echo "source: erlang $(version_of "$(tree_of "$1")") (Debian)"
    echo "compiler: $("$cc" --version | head -n 1)"
    case $1 in
        emu-*)
            echo "CFLAGS: $emu_cflags (upstream's makefile turns -O2 into -O3 -fomit-frame-pointer)"
            echo "interpreter loop: $(source_of "$1") $(flags_of "$1")"
            ;;
        otp25*) echo "CFLAGS: $cflags (as Debian's)" ;;
        *)
            echo "CFLAGS: $cflags (upstream's makefile turns -O2 into -O3 -fomit-frame-pointer)"
            sed 's/^/root: /' "$cache/roots/$(tree_of "$1")/stamp"
            ;;
    esac
    echo "recipe: 1"    # increase when the result of this script changes
}
launcher_of() {
    case $(directory_of "$1") in
        */roots/*) echo "$(directory_of "$1")/erl" ;;
        *) echo "$(directory_of "$1")/bin/erl" ;;
    esac
}
up_to_date() {
    [ -x "$(launcher_of "$1")" ] && stamp_of "$1" | cmp -s - "$(directory_of "$1")/stamp"
}
todo=
for build in $builds; do
    if [ $force = no ] && up_to_date "$build"; then
        launcher=$(launcher_of "$build")
        case $launcher in
            */roots/*) # that of the root, which changes by itself
                cmp -s "$cache/roots/$(tree_of "$build")/erl" "$launcher" || {
                    cp -p "$cache/roots/$(tree_of "$build")/erl" "$launcher.new"
                    mv "$launcher.new" "$launcher"
                }
                ;;
        esac
    else
        todo="$todo $build"
    fi
done
report() {
    for build in $builds; do
        say "$build: $(launcher_of "$build")"
    done
}
if [ -z "$todo" ]; then
    say "up to date"
    report
    exit 0
fi

# --- the sources -------------------------------------------------------------

# The Debian sources of this system, as deb-src, without touching them.
sources_of_host() {
    # shellcheck disable=SC1091  # not ours
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    suites="($codename|stable)(-updates|-security|/updates)?"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -f "$file" ] ||
            sed -nE "/^deb(-src)?[ 	].*[ 	]${suites}[ 	]/s/^deb(-src)?/deb-src/p" "$file"
    done | sort -u >"$1/debian.list"
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || awk -v RS= -v ORS='\n\n' -v suites="$suites" '
            ("\n" $0) ~ ("\n[Ss]uites:([^\n]*[ \t])?" suites "([ \t\n]|$)") {
                $0 = "\n" $0
                sub(/\n[Tt]ypes:[^\n]*/, "\nTypes: deb-src")
                print substr($0, 2)
            }' "$file"
    done >"$1/debian.sources"
    [ -s "$1/debian.list" ] || [ -s "$1/debian.sources" ] || die "no Debian sources for $codename in /etc/apt"
}

# Those a root was made from: debootstrap wrote them down.
sources_of_root() {
    sed -n 's|^deb |deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] |p' \
        "$cache/roots/$1/root/etc/apt/sources.list" >"$2/debian.list"
    [ -s "$2/debian.list" ] || die "no Debian sources in the root $1"
}

# The package of the release <tree>: sets $dsc.
fetch() {
    version=$(version_of "$1")
    dsc=$cache/source/erlang_${version#*:}.dsc
    [ ! -f "$dsc" ] || return 0
    say "fetching the source of erlang $version"
    apt=$cache/source/apt
    rm -rf "$apt"
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
    if [ "$1" = otp25 ]; then sources_of_host "$apt/parts"; else sources_of_root "$1" "$apt/parts"; fi
    apt_get() {
        apt-get -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" \
                -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
                -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
    }
    run "apt-update-$1" apt_get update
    [ "$1" = otp25 ] || apt_get --print-uris source --download-only "erlang=$version" >/dev/null 2>&1 ||
        die "the suite of the root $1 has moved on: run tests/roots/make-roots.sh --remove $1, and this again"
    (cd "$apt" && run "apt-source-$1" apt_get source --download-only "erlang=$version")
    # The .dsc last: it says that all is there.
    mv "$apt"/erlang_*.tar.* "$cache/source/"
    mv "$apt"/erlang_*.dsc "$cache/source/"
    rm -rf "$apt"
    [ -f "$dsc" ] || die "apt fetched no ${dsc##*/}"
}

# --- compilation -------------------------------------------------------------

tmp_clean() { [ $keep_tree = yes ] || rm -rf "$cache/tree"; }
trap tmp_clean EXIT
trap 'exit 1' HUP INT TERM

# Only make/ and erts/ are needed for the emulator; at the same time.
configure() {   # configure <tree> <option...>
    name=$1
    shift
    pids=
    for dir in make erts; do
        (
            cd "$ERL_TOP/$dir"
            CC=$cc CXX=$cxx CFLAGS=$cflags ./configure --srcdir="$ERL_TOP/$dir" --cache-file=/dev/null \
                --disable-option-checking --disable-pgo --disable-sctp --disable-systemd --without-javac \
                "$@" >"$cache/log/configure-$name-$dir.log" 2>&1
        ) &
        pids="$pids $!"
    done
    for pid in $pids; do
        wait "$pid" || {
            tail -n 20 "$cache/log/configure-$name-make.log" "$cache/log/configure-$name-erts.log" >&2
            die "configure of $name failed"
        }
    done
}

# The emulator's own makefile, and for the interpreter of OTP 25 the same again with other compilations of beam_emu.c.
makefile() {
    cat <<'MAKE'
default: everything
include $(ERL_TOP)/make/target.mk
include $(TARGET)/Makefile
.PHONY: everything
everything: $(BINDIR)/$(FLAVOR_EXECUTABLE)
MAKE
    [ "$1" = otp25 ] || return 0
    cat <<MAKE
ifeq (\$(FLAVOR),emu)
CFLAGS := \$(subst $cflags,$emu_cflags,\$(CFLAGS))
beam/emu/beam_emu_noregs.c: beam/emu/beam_emu.c
	sed 's/^\(# *define REG_[A-Za-z]*\) asm.*/\1/' \$< > \$@
MAKE
    for build in $others; do
        cat <<MAKE
everything: \$(BINDIR)/$build
\$(OBJDIR)/$build.o: $(source_of "$build") \$(TTF_DIR)/GENERATED
	\$(EMU_CC) \$(subst -O2, \$(GEN_OPT_FLGS), \$(CFLAGS)) \$(INCLUDES) $(flags_of "$build") -c \$< -o \$@
\$(BINDIR)/$build: \$(OBJDIR)/$build.o \$(INIT_OBJS) \$(OBJS) \$(DEPLIBS)
	\$(EMU_LD) -o \$@ \$(LDFLAGS) \$(DEXPORT) \$(INIT_OBJS) \\
	    \$(subst \$(OBJDIR)/beam_emu.o,\$(OBJDIR)/$build.o,\$(OBJS)) \\
	    \$(STATIC_NIF_LIBS) \$(STATIC_DRIVER_LIBS) \$(LIBS)
MAKE
    done
    echo endif
}

# compile <group> <flavor> [VARIABLE=VALUE...]: if a build is to be made of it, which is installed at once.
# -o: dependencies on headers are of no use to a build from scratch.
compile() {
    group=$1 flavor=$2
    case "$groups " in *" $group "*) ;; *) return 0 ;; esac
    shift 2
    say "$tree: compiling $group with $jobs jobs"
    run "make-$tree-$group" make -C "$ERL_TOP/erts/emulator" -f extrospect.mk -j "$jobs" \
        -o "$target/opt/$flavor/depend.mk" TYPE=opt FLAVOR="$flavor" "$@" everything
    for build in $todo; do
        [ "$(tree_of "$build") $(group_of "$build")" != "$tree $group" ] || install "$build"
    done
}

# How configure decides that signals may come while rsp is in an Erlang stack: with musl it leaves both of these out
# of config.h, with --disable-jit as well, and nothing else changes.
without_native_stack() {
    config=$ERL_TOP/erts/$target/config.h
    for name in NATIVE_ERLANG_STACK ERLANG_FRAME_POINTERS; do
        grep -q "^#define $name" "$config" || die "$config does not define $name"
        sed "/^#define $name/d" "$config" >"$config.new"
        mv "$config.new" "$config"
    done
}

# --- what is kept ------------------------------------------------------------

# Beside the system's Erlang: its libraries, its programs, another emulator.
install_host() { # install_host <build> <new directory>
    mkdir -p "$2/bin" "$2/erts/bin"
    for file in "$rootdir/erts-$erts/bin"/*; do
        case ${file##*/} in
            beam*|erl|*.src) ;;
            *) ln -s "$file" "$2/erts/bin/" ;;
        esac
    done
    case $(group_of "$1") in
        emu) executable=beam.emu options='-emu_flavor emu ' ;;
        *) executable=beam.smp options= ;;
    esac
    cp "$ERL_TOP/bin/$target/$(binary_of "$1")" "$2/erts/bin/$executable"
    ! stripped "$1" || strip "$2/erts/bin/$executable"
    cat >"$2/bin/erl" <<LAUNCHER
#!/bin/sh
# Starts the emulator in this directory with the system's Erlang libraries.
here=\$(cd -- "\$(dirname -- "\$0")/.." && pwd -P) || exit 1
ROOTDIR=$rootdir
BINDIR=\$here/erts/bin
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "\$BINDIR/erlexec" $options"\$@"
LAUNCHER
    chmod +x "$2/bin/erl"
}

# A copy of the root, of links, with this instead of its emulator: as if configured with --disable-jit.
install_root() {
    cp -al "$cache/roots/$(tree_of "$1")/." "$2/"
    rm "$2/stamp"
    beam=$2/root/usr/lib/erlang/erts-$erts/bin/beam.smp
    [ -f "$beam" ] || die "no erts $erts in the root $(tree_of "$1")"
    rm "$beam"
    cp "$ERL_TOP/bin/$target/$(binary_of "$1")" "$beam"
    ! stripped "$1" || strip "$beam"
}

# What the VM says it is: release, flavor, and of native code whether it has the native stack.
identity_of() {
    # shellcheck disable=SC2016  # Erlang
    "$1" -noshell -noinput -eval 'B = erlang:system_info(system_version),
        io:format("~s ~s~s", [erlang:system_info(otp_release), erlang:system_info(emu_flavor),
            [" native stack" || string:find(B, "[jit:ns") =/= nomatch]]), halt().' </dev/null || :
}
expected_of() {
    case $1 in
        otp25dwarf) echo "25 jit native stack" ;;
        otp25nons*) echo "25 jit" ;;
        emu-*) echo "25 emu" ;;
        *) echo "$(expr "$1" : 'otp\([0-9]*\)') emu" ;;
    esac
}
install() {
    new=$(directory_of "$1").new
    cache_delete "$new"
    mkdir -p "$new"
    case $new in
        */roots/*) install_root "$1" "$new"; identity=$(identity_of "$new/erl") ;;
        *) install_host "$1" "$new"; identity=$(identity_of "$new/bin/erl") ;;
    esac
    [ "$identity" = "$(expected_of "$1")" ] || die "$1 does not run, or is something else ('$identity')"
    stamp_of "$1" >"$new/stamp"
    cache_delete "$(directory_of "$1")"
    mv "$new" "$(directory_of "$1")"
}

for tree in $trees; do
    groups=
    for build in $todo; do
        [ "$(tree_of "$build")" != "$tree" ] || groups="$groups $(group_of "$build")"
    done
    [ -n "$groups" ] || continue
    fetch "$tree"
    say "$tree: unpacking"
    ERL_TOP=$cache/tree/$tree
    export ERL_TOP
    rm -rf "$ERL_TOP"
    mkdir -p "$cache/tree"
    run "unpack-$tree" dpkg-source --no-check --no-copy -x "$dsc" "$ERL_TOP"
    erts=$(sed -n 's/^VSN *= *//p' "$ERL_TOP/erts/vsn.mk")
    target=$("$ERL_TOP/make/autoconf/config.guess")
    rootdir=/usr/lib/erlang
    [ "$tree" != otp25 ] || [ -x "$rootdir/erts-$erts/bin/erlexec" ] ||
        die "no $rootdir/erts-$erts/bin/erlexec"
    makefile "$tree" >"$ERL_TOP/erts/emulator/extrospect.mk"

    say "$tree: configuring"
    case $tree in
        otp25)
            configure "$tree" --enable-jit
            jit_objects=$ERL_TOP/erts/emulator/obj/$target/opt/jit
            # As Debian's rules have it, instead of upstream's -O3 -fno-omit-frame-pointer.
            optimization="GEN_OPT_FLGS=-O2 -fno-strict-aliasing"
            compile jit jit "$optimization"
            without_native_stack
            mkdir -p "$ERL_TOP/bin/$target/nons" "${jit_objects%/jit}/nons"
            # The assembler knows nothing of config.h.
            [ ! -d "$jit_objects/asmjit" ] || cp -Rp "$jit_objects/asmjit" "${jit_objects%/jit}/nons/"
            compile nons jit "$optimization" OBJDIR="obj/$target/opt/nons" BINDIR="$ERL_TOP/bin/$target/nons"
            compile emu emu
            ;;
        *)
            configure "$tree" --disable-jit
            compile emu emu
            ;;
    esac
    tmp_clean
done
say "done"
report
