#!/bin/sh
# Builds the interpreter flavour ("emu") of the host's own Erlang/OTP with
# debug information, from Debian's source package of the installed version,
# into a cache directory outside the repository.  See README.md.
#
# usage: build-emu-debug.sh [--keep-tree] [--force]
#
#   --keep-tree  leave the unpacked and built source tree in the cache
#   --force      build again although the cache is up to date
#
# Environment: EXTROSPECT_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/extrospect),
# JOBS (default: number of processors), CC (default gcc).

set -eu
LC_ALL=C.UTF-8
LANG=C
export LC_ALL LANG
unset CDPATH MAKEFLAGS MAKELEVEL ERL_TOP ERL_ROOTDIR ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS \
      CFLAGS CXXFLAGS CPPFLAGS LDFLAGS TARGET OVERRIDE_TARGET TYPE FLAVOR

recipe=1        # increase when the result of this script changes
keep_tree=no
force=no
for arg in "$@"; do
    case $arg in
        --keep-tree) keep_tree=yes ;;
        --force) force=yes ;;
        -h|--help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "$0: unknown option: $arg" >&2; exit 2 ;;
    esac
done

here=$(cd -- "$(dirname -- "$0")" && pwd -P)
jobs=${JOBS:-$(nproc)}
cc=${CC:-gcc}
cflags='-O2 -g3 -fno-strict-aliasing -fvar-tracking-assignments'
# gcc runs no variable tracking over a function of more than 500 basic blocks
# with 20 or more edges per block (hard-coded, no parameter).  process_main is
# such a function because every instruction ends in its own copy of the
# computed goto; with one shared copy it is not.
vartrack='--param=max-goto-duplication-insns=0 --param=max-vartrack-size=0'
classic='-fno-var-tracking-assignments -fvar-tracking'
others='emu-vartrack emu-vartrack-dwarf4 emu-vartrack-vta emu-vartrack-noregs'
builds="emu-plain $others"

flags_of() {    # what is added to the compilation of beam_emu.c
    case $1 in
        emu-plain) ;;
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

cache_user="build-emu-debug"
# shellcheck source=../lib/cache.sh
. "$here/../lib/cache.sh"
cache_find

# --- what is installed -------------------------------------------------------

command -v dpkg-query >/dev/null || die "needs a Debian system (no dpkg-query)"
version=$(dpkg-query -W -f '${source:Version}' erlang-base 2>/dev/null) || version=
[ -n "$version" ] ||
    die "the package erlang-base is not installed (apt-get install erlang-base)"

# The development packages: install them when root, else say how.
missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need "$cc" build-essential
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

stamp_of() {
    echo "build: $1"
    echo "source: erlang $version (Debian)"
    echo "compiler: $("$cc" --version | head -n 1)"
    echo "CFLAGS: $cflags (upstream's makefile turns -O2 into -O3 -fomit-frame-pointer)"
    echo "interpreter loop: $(source_of "$1") $(flags_of "$1")"
    echo "recipe: $recipe"
}
up_to_date() {
    for build in $builds; do
        [ -x "$cache/$build/erts/bin/beam.emu" ] && [ -x "$cache/$build/bin/erl" ] &&
            stamp_of "$build" | cmp -s - "$cache/$build/stamp" || return 1
    done
}
report() {
    for build in $builds; do
        say "$build: $cache/$build/bin/erl"
    done
}
if [ $force = no ] && up_to_date; then
    say "up to date"
    report
    exit 0
fi

# --- the source --------------------------------------------------------------

dsc=$cache/source/erlang_${version#*:}.dsc
if [ ! -f "$dsc" ]; then
    say "fetching the source of erlang $version"
    apt=$cache/source/apt
    rm -rf "$apt"
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
    # The system's own Debian sources, as deb-src, without touching them.
    # shellcheck disable=SC1091  # not ours
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    suites="($codename|stable)(-updates|-security|/updates)?"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -f "$file" ] ||
            sed -nE "/^deb(-src)?[ 	].*[ 	]${suites}[ 	]/s/^deb(-src)?/deb-src/p" "$file"
    done | sort -u >"$apt/parts/debian.list"
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || awk -v RS= -v ORS='\n\n' -v suites="$suites" '
            ("\n" $0) ~ ("\n[Ss]uites:([^\n]*[ \t])?" suites "([ \t\n]|$)") {
                $0 = "\n" $0
                sub(/\n[Tt]ypes:[^\n]*/, "\nTypes: deb-src")
                print substr($0, 2)
            }' "$file"
    done >"$apt/parts/debian.sources"
    [ -s "$apt/parts/debian.list" ] || [ -s "$apt/parts/debian.sources" ] ||
        die "no Debian sources for $codename in /etc/apt"
    apt_get() {
        apt-get -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" \
                -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
                -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
    }
    run apt-update apt_get update
    # shellcheck disable=SC2016  # $1 is for the inner shell
    (cd "$apt" && run apt-source apt_get source --download-only "erlang=$version")
    mv "$apt"/erlang_* "$cache/source/"
    rm -rf "$apt"
    [ -f "$dsc" ] || die "apt fetched no ${dsc##*/}"
fi

# --- the build ---------------------------------------------------------------

tree=$cache/tree/otp
tmp_clean() { [ $keep_tree = yes ] || rm -rf "$cache/tree"; }
trap tmp_clean EXIT
trap 'exit 1' HUP INT TERM

say "unpacking"
rm -rf "$cache/tree"
mkdir "$cache/tree"
run unpack dpkg-source --no-check --no-copy -x "$dsc" "$tree"
ERL_TOP=$tree
export ERL_TOP
erts=$(sed -n 's/^VSN *= *//p' "$tree/erts/vsn.mk")
rootdir=/usr/lib/erlang
[ -x "$rootdir/erts-$erts/bin/erlexec" ] || die "no $rootdir/erts-$erts/bin/erlexec"

say "configuring"
configure() { # only make/ and erts/ are needed for the emulator; at the same time
    for dir in make erts; do
        (
            cd "$tree/$dir"
            # shellcheck disable=SC2086  # options
            CC=$cc CFLAGS=$cflags ./configure --srcdir="$tree/$dir" --cache-file=/dev/null \
                --disable-option-checking --disable-jit --disable-pgo --disable-sctp \
                --disable-systemd --without-javac >"$cache/log/configure-$dir.log" 2>&1
        ) &
        pids="${pids-} $!"
    done
    for pid in $pids; do wait "$pid" || return 1; done
}
configure || {
    tail -n 20 "$cache/log/configure-make.log" "$cache/log/configure-erts.log" >&2
    die "configure failed"
}

say "compiling with $jobs jobs"
# The emulator's own makefile, and the same again with other compilations of
# beam_emu.c.  -o: dependencies on headers are of no use to a build from scratch.
target=$("$tree/make/autoconf/config.guess")
{
    cat <<'MAKE'
default: everything
include $(ERL_TOP)/make/target.mk
include $(TARGET)/Makefile
.PHONY: everything
everything: $(BINDIR)/$(FLAVOR_EXECUTABLE)
beam/emu/beam_emu_noregs.c: beam/emu/beam_emu.c
	sed 's/^\(# *define REG_[A-Za-z]*\) asm.*/\1/' $< > $@
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
} >"$tree/erts/emulator/extrospect.mk"
run make make -C "$tree/erts/emulator" -f extrospect.mk -j "$jobs" \
    -o "$target/opt/emu/depend.mk" TYPE=opt FLAVOR=emu everything

# --- what is kept ------------------------------------------------------------

say "installing into $cache"
for build in $builds; do
    new=$cache/$build.new
    rm -rf "$new"
    mkdir -p "$new/bin" "$new/erts/bin"
    for file in "$rootdir/erts-$erts/bin"/*; do
        case ${file##*/} in
            beam*|erl|*.src) ;;
            *) ln -s "$file" "$new/erts/bin/" ;;
        esac
    done
    case $build in
        emu-plain) binary=beam.emu ;;
        *) binary=$build ;;
    esac
    cp "$tree/bin/$target/$binary" "$new/erts/bin/beam.emu"
    cat >"$new/bin/erl" <<LAUNCHER
#!/bin/sh
# Starts the interpreter in this directory with the system's Erlang libraries.
here=\$(cd -- "\$(dirname -- "\$0")/.." && pwd -P) || exit 1
ROOTDIR=$rootdir
BINDIR=\$here/erts/bin
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "\$BINDIR/erlexec" -emu_flavor emu "\$@"
LAUNCHER
    chmod +x "$new/bin/erl"
    # shellcheck disable=SC2016  # Erlang
    flavour=$("$new/bin/erl" -noshell -noinput -eval \
        'io:format("~s", [erlang:system_info(emu_flavor)]), halt().' </dev/null) || flavour=
    [ "$flavour" = emu ] || die "$build does not run (emu_flavor: '$flavour')"
    stamp_of "$build" >"$new/stamp"
    rm -rf "${cache:?}/$build"
    mv "$new" "$cache/$build"
done
say "done"
report
